"""Networks, independent of files, hosts and pre-processing."""
