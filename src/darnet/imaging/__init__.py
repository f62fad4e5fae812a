"""The way of a photo, from the scene to the file: batched, seeded functions with physical parameters."""
