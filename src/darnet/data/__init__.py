"""Where training pictures come from: folders, published layouts, and damage made on the fly."""
