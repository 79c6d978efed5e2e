//! Redis is away, stopped, emptied or refuses: what goes on, what is said, and that it heals.

