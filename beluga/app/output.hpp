#pragma once
/// The process's standard streams. What cannot be written to stderr is lost, and nothing else; what cannot be
/// written to stdout is told once, at the end.

#include <string_view>

namespace beluga::app {

/// To be called first: gives a closed standard stream a file that reads nothing and takes nothing (else the
/// next pipe or database would get its number), and makes multibyte characters of the terminal known.
void prepare_streams();

/// A line on stderr, after "beluga: ", without secrets and terminal controls.
void notice(std::string_view line);
/// Text on stderr, as it is.
void print_error(std::string_view text);

/// Text on stdout. False when it could not be written, now or before.
bool print(std::string_view text);

/// The exit code in place of `code` once all is printed: 1 and a notice when stdout could not be written. No
/// notice when a reader of a pipe has left, as head(1) does.
int finish_output(int code);

}  // namespace beluga::app
