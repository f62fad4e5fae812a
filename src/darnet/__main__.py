"""`python -m darnet` is `darnet`."""

from __future__ import annotations

from darnet.cli import main

if __name__ == "__main__":
    main()
