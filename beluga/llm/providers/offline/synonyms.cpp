#include <algorithm>
#include <map>

#include "beluga/llm/providers/offline/internal/thesaurus.hpp"
#include "beluga/llm/providers/offline/internal/words.hpp"

namespace beluga::llm::offline_model {
namespace {

constexpr double kEqual = 0.9, kOften = 0.7, kRelated = 0.45;

using Stems = std::vector<std::string>;

Stems stems_of(std::string_view phrase) {
  Stems out;
  for (Token& token : tokenise(phrase)) out.push_back(std::move(token.stem));
  return out;
}

template <class F>
void each_word_of(std::string_view group, F&& f) {
  for (std::size_t at = 2; at < group.size();) {
    const std::size_t end = std::min(group.find(' ', at), group.size());
    f(group.substr(at, end - at));
    at = end + 1;
  }
}

/// The groups by their members. Read when the first document is looked at: a question alone needs the phrases only.
struct Thesaurus {
  struct Group {
    double strength = kOften;
    std::vector<Stems> members;
  };
  std::vector<Group> groups;
  std::map<Stems, std::vector<std::size_t>> groups_of;

  Thesaurus() {
    each_record(thesaurus_groups(), [&](std::string_view record) {
      Group group;
      group.strength = record.front() == '=' ? kEqual : record.front() == '~' ? kRelated : kOften;
      each_word_of(record, [&](std::string_view word) {
        Stems stems = stems_of(word);
        if (stems.empty() ||
            std::find(group.members.begin(), group.members.end(), stems) != group.members.end())
          return;
        groups_of[stems].push_back(groups.size());
        group.members.push_back(std::move(stems));
      });
      groups.push_back(std::move(group));
    });
  }
};

/// Phrases by their first stem, the long ones first.
using Phrases = std::map<std::string, std::vector<Stems>>;

Phrases read_phrases() {
  Phrases out;
  each_record(thesaurus_groups(), [&](std::string_view record) {
    each_word_of(record, [&](std::string_view word) {
      if (word.find('_') == std::string_view::npos) return;
      Stems stems = stems_of(word);
      if (stems.size() < 2) return;
      std::vector<Stems>& known = out[stems.front()];
      if (std::find(known.begin(), known.end(), stems) == known.end()) known.push_back(std::move(stems));
    });
  });
  for (auto& [first, all] : out)
    std::stable_sort(all.begin(), all.end(),
                     [](const Stems& a, const Stems& b) { return a.size() > b.size(); });
  return out;
}

}  // namespace

std::vector<Alternative> alternatives(const std::vector<std::string>& stems) {
  static const Thesaurus table;
  std::vector<Alternative> out;
  const auto found = table.groups_of.find(stems);
  if (found == table.groups_of.end()) return out;
  for (const std::size_t index : found->second)
    for (const Stems& other : table.groups[index].members) {
      if (other == stems) continue;
      const double strength = table.groups[index].strength;
      const auto it =
          std::find_if(out.begin(), out.end(), [&](const Alternative& each) { return each.stems == other; });
      if (it == out.end())
        out.push_back({other, strength});
      else  // two groups that agree say more than one
        it->strength = std::min(kEqual, std::max(it->strength, strength) + 0.1);
    }
  std::stable_sort(out.begin(), out.end(),
                   [](const Alternative& a, const Alternative& b) { return a.strength > b.strength; });
  return out;
}

std::size_t phrase_at(const std::vector<std::string>& stems, std::size_t at) {
  static const Phrases phrases = read_phrases();
  const auto it = phrases.find(stems[at]);
  if (it == phrases.end()) return 0;
  for (const Stems& phrase : it->second)
    if (phrase.size() <= stems.size() - at &&
        std::equal(phrase.begin(), phrase.end(), stems.begin() + static_cast<std::ptrdiff_t>(at)))
      return phrase.size();
  return 0;
}

std::string root_of(std::string_view stem) {
  static constexpr std::string_view kEndings[] = {"ifi", "abl", "ibl", "atur", "itur", "ur",  "ment", "ation",
                                                  "anc", "enc", "iv",  "age",  "ag",   "ist", "er",   "or",
                                                  "al",  "ion", "at",  "en",   "i",    "e"};
  for (char c : stem)
    if (!is_ascii_alpha(c)) return std::string(stem);
  for (std::string_view ending : kEndings)
    if (stem.size() >= ending.size() + 4 && stem.ends_with(ending)) {
      stem.remove_suffix(ending.size());
      break;
    }
  // A doubled consonant before the ending: "setter", "logger".
  if (stem.size() > 4 && stem.back() == stem[stem.size() - 2] && stem.back() != 's' && stem.back() != 'l')
    stem.remove_suffix(1);
  return std::string(stem);
}

}  // namespace beluga::llm::offline_model
