//! On a real engine, through compose.
