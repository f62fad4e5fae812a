"""How a network is executed, and exported."""
