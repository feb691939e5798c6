"""Styles of skeleton images: one per kind of model that reads them (`styles.STYLES`)."""
