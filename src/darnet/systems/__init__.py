"""Systems: folders of weights that make a router and its experts; loaded, and changed."""
