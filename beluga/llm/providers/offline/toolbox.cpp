#include "beluga/llm/providers/offline/internal/toolbox.hpp"

#include <algorithm>
#include <iterator>

#include "beluga/llm/providers/offline/internal/arguments.hpp"
#include "beluga/llm/providers/offline/internal/schema.hpp"
#include "beluga/llm/providers/offline/internal/thesaurus.hpp"

namespace beluga::llm::offline_model {

using std::string_view;

ToolView view(const ToolSchema& schema) {
  ToolView v;
  v.schema = &schema;
  std::vector<std::string> about = stems_of(schema.name + " " + schema.description.substr(0, 1000));
  std::vector<std::string> name = stems_of(schema.name);
  bool path_required = false;
  std::size_t required_others = 0;
  for (const Json::Member& m : properties(schema.parameters).members()) {
    const Json& p = resolve(m.value, schema.parameters);
    std::string_view type = type_of(p);
    std::string n = lower(m.key);
    std::vector<std::string> d = stems_of(description_of(p).substr(0, 600));
    std::vector<std::string> k = stems_of(m.key);
    bool required = is_required(schema.parameters, m.key);
    if (type == "string") {
      if (v.query.empty() && (names_any(k, {"queri", "pattern", "search", "q", "regex", "regexp", "needl",
                                            "keyword", "term", "question"}) ||
                              (n == "text" && names_any(d, {"search", "find", "match"})))) {
        v.query = m.key;
        v.regex = names_any(d, {"regex", "regular", "re2", "regexp", "pcre"}) ||
                  names_any(k, {"regex", "regexp"}) || (names_any(about, {"regex", "regexp", "re2"}));
        if (!v.regex && names_any(about, {"regular"}) && names_any(about, {"express"})) v.regex = true;
        v.literal = names_any(k, {"pattern", "needl"}) ||
                    names_any(d, {"liter", "substr", "exact", "plain"}) ||
                    names_any(about, {"liter", "substr", "grep", "line"});
        continue;
      }
      if (v.path.empty() && names_any(k, {"path", "file", "filenam", "filepath", "directori", "dir", "folder",
                                          "root", "document"})) {
        v.path = m.key;
        path_required = required;
        continue;
      }
      if (v.glob.empty() && names_any(k, {"glob", "includ", "mask", "extens"})) {
        v.glob = m.key;
        continue;
      }
    } else if (type == "integer" || type == "number") {
      if (v.first.empty() && names_any(k, {"start", "offset", "first", "from", "begin", "line"})) {
        v.first = m.key;
        v.first_from_zero = names_any(d, {"zero", "0", "skip"}) && !names_any(d, {"1"});
        continue;
      }
      if (v.last.empty() && names_any(k, {"end", "last", "to", "until"}) && !names_any(k, {"max", "limit"})) {
        v.last = m.key;
        continue;
      }
      if (names_any(k, {"count", "limit", "max", "num", "number", "maximum", "line", "result", "match",
                        "length"})) {
        // For readers a count of lines, for searches a limit of hits.
        if (names_any(k, {"line", "count", "length"}) && v.count.empty())
          v.count = m.key;
        else if (v.limit.empty())
          v.limit = m.key;
        continue;
      }
    } else if (type == "boolean") {
      if (names_any(k, {"insensit", "icas"}) || (names_any(k, {"ignor"}) && names_any(k, {"case"})) ||
          (names_any(k, {"case"}))) {
        v.ignore_case = m.key;
        continue;
      }
      if (names_any(k, {"regex", "regexp"})) {
        v.regex_flag = m.key;
        continue;
      }
      if (names_any(k, {"recurs", "deep"})) {
        v.recursive = m.key;
        continue;
      }
    }
    if (required) ++required_others;
  }
  if (!v.regex_flag.empty()) v.regex = true;
  bool changes = names_any(name, {"write", "delet", "creat", "remov", "save", "edit", "updat", "append",
                                  "move", "renam", "upload", "send", "insert", "put", "post"});
  bool documents =
      names_any(about, {"file", "document", "text", "line", "knowledg", "note", "page", "articl", "doc",
                        "corpu", "wiki", "content", "code", "folder", "passag", "book", "manual"});
  if (!changes && required_others == 0) {
    if (!v.query.empty() && documents &&
        names_any(about, {"search", "find", "grep", "lookup", "look", "retriev", "match"}))
      v.purpose = Purpose::search;
    else if (v.query.empty() && !v.path.empty() && path_required &&
             names_any(about, {"read", "open", "content", "show", "cat", "load", "view", "get", "fetch"}))
      v.purpose = Purpose::read;
    else if (v.query.empty() && !path_required && names_any(about, {"list", "tree", "ls", "directori"}) &&
             names_any(about, {"file", "directori", "folder", "document", "path", "entri"}))
      v.purpose = Purpose::list;
    else if (v.purpose == Purpose::other && !v.query.empty() && !path_required &&
             names_any(name, {"list", "glob"}) && documents)
      v.purpose = Purpose::list;
  }
  // A file reader says "limit" for its count of lines.
  if (v.purpose == Purpose::read && v.count.empty()) v.count = v.limit;
  if (v.purpose != Purpose::read && v.limit.empty()) v.limit = v.count;
  return v;
}

Match match(const ToolView& tool, const Question& clause) {
  Match m;
  const ToolSchema& schema = *tool.schema;
  std::vector<std::string> name = stems_of(schema.name);
  std::vector<std::string> about = stems_of(schema.description.substr(0, 1000));
  std::vector<std::string> parameters;
  Filler filler{clause.text, {}};
  Json arguments = Json::object();
  bool complete = true;
  bool expression = false;
  std::size_t filled = 0;
  // Required arguments choose first, the ones with a strict form before the free ones.
  const Json& props = properties(schema.parameters);
  auto strictness = [&](const Json::Member& p) {
    const Json& s = resolve(p.value, schema.parameters);
    std::string_view type = type_of(s);
    int rank = is_required(schema.parameters, p.key) ? 0 : 10;
    if (s.contains("enum") || s.contains("format")) return rank;
    std::vector<std::string> k = stems_of(p.key);
    if (type == "integer" || type == "number" ||
        names_any(k, {"date", "dai", "url", "email", "express", "path", "file"}))
      return rank + 1;
    if (names_any(k, {"from", "to", "unit"})) return rank + 2;
    return rank + 3;
  };
  std::vector<const Json::Member*> order;
  for (const Json::Member& p : props.members()) order.push_back(&p);
  std::stable_sort(order.begin(), order.end(),
                   [&](const auto* a, const auto* b) { return strictness(*a) < strictness(*b); });
  std::vector<std::pair<std::string, Json>> values;
  for (const Json::Member* p : order) {
    bool required = is_required(schema.parameters, p->key);
    const Json& s = resolve(p->value, schema.parameters);
    for (std::string& stem : stems_of(p->key + " " + description_of(s).substr(0, 300)))
      parameters.push_back(std::move(stem));
    std::size_t before = filler.used.size();
    auto found = filler.value(p->key, p->value, schema.parameters, required);
    if (!found && required && s.contains("default")) found = s.at("default");
    if (found) {
      if (filler.used.size() > before) ++filled;
      if (names_any(stems_of(p->key), {"express", "formula", "calcul", "equat"})) expression = true;
      values.emplace_back(p->key, std::move(*found));
    } else if (required) {
      complete = false;
      if (m.missing.empty()) m.missing = p->key;
    }
  }
  for (const Json::Member& p : props.members())
    for (auto& [key, value] : values)
      if (key == p.key) arguments[key] = std::move(value);

  // What part of the clause the tool accounts for.
  double matched = 0, consumed = 0, total = 0, in_name = 0;
  for (const Token& token : tokenise(clause.text)) {
    std::string word = lower(std::string_view(clause.text).substr(token.begin, token.end - token.begin));
    static constexpr string_view kLight[] = {
        "calculate", "compute",   "convert", "find",   "show",  "list",   "check",   "look",
        "current",   "currently", "now",     "right",  "today", "add",    "new",     "create",
        "send",      "fetch",     "result",  "answer", "equal", "equals", "evaluate"};
    bool light = std::find(std::begin(kLight), std::end(kLight), word) != std::end(kLight);
    bool was_used = std::any_of(filler.used.begin(), filler.used.end(), [&](const auto& r) {
      return r.first <= token.begin && token.end <= r.second;
    });
    bool name_hit = std::find(name.begin(), name.end(), token.stem) != name.end();
    bool about_hit = std::find(about.begin(), about.end(), token.stem) != about.end() ||
                     std::find(parameters.begin(), parameters.end(), token.stem) != parameters.end();
    if (is_stop_word(word) && !was_used) continue;
    double w = light ? 0.3 : 1.0;
    if (was_used) {
      consumed += w;
      total += w;
      continue;
    }
    total += w;
    if (name_hit)
      matched += w, in_name += light ? 0.4 : 1;
    else if (about_hit)
      matched += 0.8 * w, in_name += light ? 0.1 : 0.45;
    else {
      for (const Alternative& other : alternatives({token.stem}))
        if (other.stems.size() == 1 &&
            (std::find(name.begin(), name.end(), other.stems[0]) != name.end() ||
             std::find(about.begin(), about.end(), other.stems[0]) != about.end())) {
          matched += 0.4 * w;
          break;
        }
    }
  }
  if (total == 0) return m;
  double share = (matched + consumed) / total;
  if (expression && !find_expression(clause.text).empty())
    m.score = std::max(0.8, share) + 0.2;
  else if (in_name > 0.35)
    m.score = share * std::min(1.0, 0.55 + 0.45 * in_name) + 0.05 * static_cast<double>(filled);
  if (complete) m.arguments = std::move(arguments);
  return m;
}

}  // namespace beluga::llm::offline_model
