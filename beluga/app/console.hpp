#pragma once
/// How a run looks on a terminal: the answer on stdout as it is produced, everything else on stderr, so that
/// `beluga run ... > answer.txt` keeps just the answer: what goes elsewhere than to a terminal is written when
/// its model turn is complete, since what a broken connection left of a turn cannot be taken back there. Or,
/// with --json, one event per line on stdout.

#include <string>
#include <string_view>
#include <vector>

#include "beluga/base/terminal.hpp"
#include "beluga/contract/event.hpp"

namespace beluga::app {

class Console {
 public:
  struct Options {
    bool json = false;
    std::string session{};  ///< named in the note about what a cancelled run kept
    bool priced = true;     ///< false: the model costs nothing, so that no cost is shown as unknown
  };
  explicit Console(Options options);

  void show(const Event& event);
  /// 0 completed, 1 failed, 124 out of time, 130 cancelled (by whatever). Of the terminal event shown last.
  int exit_code() const noexcept { return exit_code_; }
  /// False once stdout is gone (a closed pipe): there is nobody left to run for.
  bool alive() const noexcept { return alive_; }

 private:
  void answer(std::string_view text);
  void write(std::string_view text);
  void release();
  void note(std::string_view line);
  void error(std::string_view line);
  void finish_line();
  void call_note(std::string line);
  std::size_t number_of(const std::string& call_id) const;
  void summary(const RunSummary& summary);

  struct OpenCall {
    std::string id;
    std::size_t number;  // from 1, in the order of the run's calls: tells which call a result answers
  };

  Options options_;
  bool colour_ = false;
  bool hold_ = false;
  std::string held_;  // of the turn under way, where hold_
  TerminalStripper stripper_;
  std::string buffer_;  // reused
  bool at_line_start_ = true;
  std::size_t tool_results_ = 0;
  std::size_t calls_ = 0;
  std::vector<OpenCall> open_calls_;
  int exit_code_ = 1;
  bool alive_ = true;
};

}  // namespace beluga::app
