//! The built-in FoxAPI: as strict and as nasty as the contract says, and scriptable.
