#pragma once
/// How a term of a question is present in words of a text.

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "beluga/llm/providers/offline/internal/evidence.hpp"
#include "beluga/llm/providers/offline/internal/question.hpp"

namespace beluga::llm::offline_model {

/// Matches terms against tokenised text. Keeps the synonyms it has looked up.
class Matcher {
 public:
  /// 1 as it is, less for a synonym or a part of a compound, 0 if it is not there. `text` is what `tokens`
  /// came from; without it an option ("-s") is never found.
  double presence(const Term& term, const std::vector<Token>& tokens, std::string_view text = {});
  /// Also inside a name that is written in one word: "compress" in "compresscmd", "size" in "maxsize".
  double presence_in_name(const Term& term, const std::vector<Token>& tokens, std::string_view text);

 private:
  const std::vector<std::string_view>& synonyms_of(const std::string& stem);
  std::unordered_map<std::string, std::vector<std::string_view>> known_;
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
