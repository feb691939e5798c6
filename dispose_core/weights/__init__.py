"""Model files: opened safely, recognised, checked, converted, fetched, and made into networks."""
