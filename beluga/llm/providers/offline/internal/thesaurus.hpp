#pragma once
/// What words of a question may be called in a text: near-synonyms of technical English, in one table, and
/// the roots that different words share.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace beluga::llm::offline_model {

/// The table of groups as text (thesaurus.cpp tells the form), and one of pairs: "thrown throw".
std::string_view thesaurus_groups() noexcept;
std::string_view irregular_forms() noexcept;
/// Calls f(record) for the records of such a table.
template <class F>
void each_record(std::string_view table, F&& f) {
  while (!table.empty()) {
    std::string_view line = table.substr(0, table.find('\n'));
    table.remove_prefix(line.size() < table.size() ? line.size() + 1 : line.size());
    while (!line.empty() && line.front() != '#') {
      std::string_view record = line.substr(0, line.find(" | "));
      line.remove_prefix(record.size() < line.size() ? record.size() + 3 : record.size());
      f(record);
    }
  }
}

/// Another way to say something, as stems in a row.
struct Alternative {
  std::vector<std::string> stems;
  double strength = 1;  ///< how far it means the same, up to 1
};
/// Best first; the words themselves are not among them.
std::vector<Alternative> alternatives(const std::vector<std::string>& stems);

/// How many of the words from `at` on are a phrase of the table ("get rid of"); 0 if they begin none.
/// `stems` are all words, also those that say nothing by themselves.
std::size_t phrase_at(const std::vector<std::string>& stems, std::size_t at);

/// What is left of a stem without derivation: "failur" and "fail", "signatur" and "sign", "listen" and
/// "listener". May be the stem itself.
std::string root_of(std::string_view stem);

}  // namespace beluga::llm::offline_model
