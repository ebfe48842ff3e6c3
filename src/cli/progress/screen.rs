//! Bars where stderr is no terminal but bars were asked for: the escape codes that a terminal would get.

use std::io;

use indicatif::TermLike;

use super::super::console::Console;

/// A terminal of a fixed size, drawn onto the console.
#[derive(Debug)]
pub struct Screen(Console);

impl Screen {
    pub fn new(console: Console) -> Self {
        Self(console)
    }

    /// Sends a cursor movement; none for no distance, which the codes read as 1.
    fn move_cursor(&self, distance: usize, direction: char) -> io::Result<()> {
        match distance {
            0 => Ok(()),
            _ => self.0.write_below(&format!("\x1b[{distance}{direction}")),
        }
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        120
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.move_cursor(lines, 'A')
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.move_cursor(lines, 'B')
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.move_cursor(columns, 'C')
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.move_cursor(columns, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_below(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_below(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.write_below("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::tests::Written;

    #[test]
    fn movements_are_escape_codes_and_no_movement_is_none() {
        let written = Written::default();
        let screen = Screen::new(written.console());
        screen.move_cursor_up(2).unwrap();
        screen.move_cursor_left(0).unwrap();
        screen.write_line("bar").unwrap();
        screen.clear_line().unwrap();
        assert_eq!(written.text(), "\x1b[2Abar\n\r\x1b[2K");
    }
}
