"""How figures are told: cells and tables of Markdown, the rows that papers print, and a page."""
