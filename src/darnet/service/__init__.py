"""The service: pictures by HTTP. One process listens, and worker processes restore, one picture at a time each.

What an answer holds is what `darnet restore` writes for the same file and options: both do a `Job`'s tasks.
"""
