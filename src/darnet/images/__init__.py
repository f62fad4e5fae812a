"""Pictures: files, arrays, colours, tiles, measures of quality; no network."""
