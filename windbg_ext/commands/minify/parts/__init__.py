"""What goes into a small dump, by theme; `order` is the list of all parts, most important first."""
