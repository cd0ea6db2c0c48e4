"""HTTP: requests and answers become frames of a guest, and what a daemon shows of itself."""
