#pragma once
/// How a term of a question is present in words of a text.

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "beluga/llm/providers/offline/internal/evidence.hpp"
#include "beluga/llm/providers/offline/internal/question.hpp"

namespace beluga::llm::offline_model {

/// For each term how far it is there: 1 as it is, less for a synonym, a word of the same root, or some words
/// of a compound.
using Presence = std::vector<double>;

/// A word of a text that stands for a term.
struct Mark {
  std::size_t token = 0, term = 0;
  double strength = 1;
};

/// Matches the terms of one question against tokenised texts. What it finds out about a word it keeps, so
/// that a text costs one look-up a word.
class Matcher {
 public:
  explicit Matcher(const std::vector<Term>& terms);

  /// `text` is what `tokens` came from; without it an option ("-s") is never found. In a `name` (of an option,
  /// of a file) words may also be written together: "compress" in "compresscmd", "size" in "maxsize".
  Presence presence(const std::vector<Token>& tokens, std::string_view text, bool name = false,
                    std::vector<Mark>* marks = nullptr);

 private:
  struct Part {
    std::uint32_t way = 0;
    std::uint32_t place = 0;  ///< which of the way's words
    double strength = 1;
  };
  /// The term itself or one of its alternatives.
  struct Way {
    std::size_t term = 0;
    std::vector<std::string> stems;
    std::string joined;
    double strength = 1;
    bool own = false;  ///< the term itself
  };
  const std::vector<Part>& parts_of(const std::string& stem);
  void inside(const std::string& stem, Presence& out);

  const std::vector<Term>& terms_;
  std::vector<Way> ways_;
  std::unordered_map<std::string, std::vector<Part>> by_stem_, by_root_, known_;
  std::unordered_map<std::string, std::vector<std::pair<std::size_t, double>>> joined_;
  std::unordered_map<std::string, std::vector<std::pair<std::size_t, double>>> inside_;
  std::vector<std::uint64_t> seen_;  ///< per way: which of its words stand in the text at hand
};

/// The stems stand one after the other.
bool all_in_row(const std::vector<std::string>& stems, const std::vector<Token>& tokens);
/// "-s" stands by itself, in that case of letters.
bool has_option(std::string_view text, std::string_view option);
/// A name in a path, also as the beginning of a longer one: "borg" in "borgbackup-doc".
bool in_path(const Term& term, const std::vector<Token>& path);
/// A path without the extension of a document, which is no subject.
std::string path_text(const std::string& path);
/// The cell that is asked for by the head of its column: "which HTTP status" in a row of "code | HTTP". Null
/// if none is.
const std::string* asked_cell(const Question& question, const Passage& passage);

}  // namespace beluga::llm::offline_model
