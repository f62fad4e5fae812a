"""Networks. One paper is one file; what they return is in `base`."""
