#include "beluga/llm/providers/offline/internal/fit.hpp"

#include <algorithm>
#include <iterator>
#include <optional>

#include "beluga/llm/providers/offline/internal/arguments.hpp"
#include "beluga/llm/providers/offline/internal/match.hpp"
#include "beluga/llm/providers/offline/internal/rank.hpp"
#include "beluga/llm/providers/offline/internal/schema.hpp"
#include "beluga/llm/providers/offline/internal/values.hpp"

namespace beluga::llm::offline_model {
namespace {

using std::string_view;
constexpr int kMaxDepth = 12;

bool one_of(string_view name, std::initializer_list<string_view> words) {
  std::vector<Token> tokens = tokenise(name);
  return std::any_of(tokens.begin(), tokens.end(), [&](const Token& t) {
    return std::find(words.begin(), words.end(), t.stem) != words.end();
  });
}

/// "Name: value" or "name = value" on a line of the text, whatever the spelling of the name.
std::string labelled(string_view text, string_view name) {
  std::vector<Token> wanted = tokenise(name);
  if (wanted.empty()) return {};
  while (!text.empty()) {
    std::size_t end = text.find('\n');
    string_view line = text.substr(0, end);
    for (std::size_t from = 0; from < line.size();) {
      std::size_t mark = line.find_first_of(":=", from);
      if (mark == string_view::npos || mark > 400) break;
      std::vector<Token> before = tokenise(line.substr(from, mark - from));
      bool tail =
          before.size() >= wanted.size() && before.size() <= wanted.size() + 2 &&
          std::equal(wanted.begin(), wanted.end(), before.end() - static_cast<std::ptrdiff_t>(wanted.size()),
                     [](const Token& a, const Token& b) { return a.stem == b.stem; });
      std::size_t stop = mark + 1;
      if (tail) {
        std::size_t cut = line.find_first_of(",;", mark + 1);
        // A number may have separators; a list keeps its commas.
        string_view value = line.substr(
            mark + 1, cut == string_view::npos || line.find_first_of(":=", cut) == string_view::npos
                          ? string_view::npos
                          : cut - mark - 1);
        std::string v = squeeze(value);
        while (!v.empty() && (v.back() == '.' || v.back() == ',' || v.back() == ';')) v.pop_back();
        if (!v.empty()) return v;
      }
      from = stop;
      std::size_t next = line.find_first_of(",;", stop);
      if (next != string_view::npos) from = next + 1;
    }
    if (end == string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return {};
}

class Fitter {
 public:
  Fitter(const Json& root, const Material& material) : root_(root), m_(material) {}

  std::optional<Json> find(const std::string& name, const Json& schema_in, int depth) {
    const Json& schema = resolve(schema_in, root_);
    if (depth > kMaxDepth) return std::nullopt;
    if (const Json* constant = schema.find("const")) return *constant;
    for (string_view key : {"anyOf", "oneOf"})
      if (const Json* choices = schema.find(key); choices != nullptr && !schema.contains("type"))
        for (const Json& choice : choices->items())
          if (resolve(choice, root_).string_or("type", "") != "null")
            if (auto found = find(name, choice, depth + 1)) return found;
    string_view type = type_of(schema);
    std::string described = name + " " + std::string(schema.string_or("description", ""));
    if (type == "object") {
      Json out = Json::object();
      bool any = false;
      const Json* props = schema.find("properties");
      if (props != nullptr)
        for (const Json::Member& p : props->members()) {
          std::optional<Json> found = find(p.key, p.value, depth + 1);
          if (found) {
            any = true;
            out[p.key] = std::move(*found);
          } else if (required(schema, p.key)) {
            out[p.key] = nothing(p.value, depth + 1);
          }
        }
      if (!any && depth > 0) return std::nullopt;
      return out;
    }
    std::string label = labelled(m_.document, name);
    if (label.empty()) label = labelled(m_.request, name);
    if (schema.contains("enum")) {
      for (const std::string* text :
           {static_cast<const std::string*>(&label), &m_.answer, &m_.document, &m_.request})
        if (!text->empty()) {
          Filler filler{text->substr(0, 20000), {}};
          if (auto found = filler.value(name, schema, root_, true)) return found;
        }
      return std::nullopt;
    }
    if (type == "array") {
      const Json* items = schema.find("items");
      Json out = Json::array();
      if (items != nullptr && one_of(name, {"sourc", "citat", "refer"}) && !m_.source.empty() &&
          type_of(resolve(*items, root_)) == "string") {
        out.push_back(m_.source);
        return out;
      }
      if (items != nullptr && !label.empty()) {
        string_view rest = label;
        while (!rest.empty()) {
          std::size_t cut = std::min(rest.find(','), rest.find(" and "));
          std::string each = squeeze(rest.substr(0, cut));
          if (each.starts_with("and ")) each.erase(0, 4);
          if (auto one = typed(name, resolve(*items, root_), each)) out.push_back(std::move(*one));
          if (cut == string_view::npos) break;
          rest.remove_prefix(cut + (rest[cut] == ',' ? 1 : 5));
        }
      } else if (items != nullptr) {
        const std::string& text = m_.document.empty() ? m_.request : m_.document;
        Filler filler{text.substr(0, 20000), {}};
        string_view item_type = type_of(resolve(*items, root_));
        if (item_type != "string" || resolve(*items, root_).contains("enum"))
          if (auto found = filler.value(name, schema, root_, false)) out = std::move(*found);
      }
      if (out.empty()) return std::nullopt;
      return out;
    }
    if (!label.empty())
      if (auto found = typed(name, schema, label)) return found;
    if (type == "string" || type.empty()) {
      if (one_of(name, {"answer", "text", "summari", "result", "respons", "repli", "output", "content",
                        "messag", "explan"})) {
        if (!m_.answer.empty()) return bounded(schema, m_.answer);
      }
      if (one_of(name, {"sourc", "citat", "refer", "evid"}) && !m_.source.empty())
        return bounded(schema, m_.source);
      if (one_of(name, {"file", "path", "document"}) && !m_.source.empty())
        return bounded(schema, m_.source.substr(0, m_.source.rfind(':')));
      if (one_of(name, {"question", "queri", "request"})) return bounded(schema, squeeze(m_.request));
    }
    if (type == "integer" && one_of(name, {"line"}) && m_.source.rfind(':') != std::string::npos) {
      std::string number = m_.source.substr(m_.source.rfind(':') + 1);
      if (!number.empty() && std::all_of(number.begin(), number.end(), is_digit)) return Json::number(number);
    }
    if (type == "boolean") {
      std::string l = lower(squeeze(m_.answer.substr(0, 200)));
      if (one_of(name, {"found", "answer"})) return Json(!m_.answer.empty());
      if (l.starts_with("yes")) return Json(true);
      if (l.starts_with("no,") || l.starts_with("no ") || l.starts_with("no.")) return Json(false);
      return std::nullopt;
    }
    // The sentence that speaks of it, then what of it has the type.
    Question q = analyse(described);
    std::vector<Candidate> ranked = rank(q, m_.passages, {}, 3);
    for (const Candidate& c : ranked) {
      if (c.coverage < 0.5) break;
      const Passage& p = m_.passages[c.passage];
      if (type == "string" && !schema.contains("format")) {
        if (const std::string* cell = asked_cell(q, p)) return bounded(schema, *cell);
        if (std::string value = default_in(p.sentences[c.sentence].text); !value.empty())
          return bounded(schema, value);
        continue;
      }
      if (auto found = typed(name, schema, p.sentences[c.sentence].text)) return found;
    }
    for (const std::string* text : {&m_.answer, &m_.document, &m_.request}) {
      if (text->empty()) continue;
      Filler filler{text->substr(0, 20000), {}};
      bool demand = type != "string" || schema.contains("format");
      if (auto found = filler.value(name, schema, root_, demand || text == &m_.request)) {
        if (found->is_string()) return bounded(schema, found->as_string());
        if (in_range(schema, *found)) return found;
      }
    }
    return std::nullopt;
  }

  /// What stands for "not found": null where allowed, else the emptiest value.
  Json nothing(const Json& schema_in, int depth) {
    const Json& schema = resolve(schema_in, root_);
    bool nullable = false;
    string_view type = type_of(schema, &nullable);
    if (nullable) return nullptr;
    if (const Json* constant = schema.find("const")) return *constant;
    if (const Json* value = schema.find("default")) return *value;
    for (string_view key : {"anyOf", "oneOf"})
      if (const Json* choices = schema.find(key)) {
        for (const Json& choice : choices->items())
          if (resolve(choice, root_).string_or("type", "") == "null") return nullptr;
        if (choices->size() > 0 && depth < kMaxDepth) return nothing(choices->items().front(), depth + 1);
      }
    if (const Json* values = schema.find("enum"); values != nullptr && values->size() > 0) {
      for (const Json& value : values->items())
        if (value.is_null()) return nullptr;
      for (const Json& value : values->items())
        if (value.is_string() && one_of(value.as_string(), {"unknown", "none", "other", "unspecifi", "n"}))
          return value;
      return values->items().front();
    }
    if (type == "object") {
      Json out = Json::object();
      const Json* props = schema.find("properties");
      if (props != nullptr && depth < kMaxDepth)
        for (const Json::Member& p : props->members())
          if (required(schema, p.key)) out[p.key] = nothing(p.value, depth + 1);
      return out;
    }
    if (type == "array") {
      Json out = Json::array();
      const Json* items = schema.find("items");
      for (std::int64_t i = 0; i < std::min<std::int64_t>(schema.int_or("minItems", 0), 64) &&
                               items != nullptr && depth < kMaxDepth;
           ++i)
        out.push_back(nothing(*items, depth + 1));
      return out;
    }
    if (type == "boolean") return false;
    if (type == "integer" || type == "number") {
      double low = schema.double_or("minimum", schema.double_or("exclusiveMinimum", -1) +
                                                   (schema.contains("exclusiveMinimum") ? 1 : 0));
      if (low > 0) return schema.contains("minimum") ? schema.at("minimum") : Json(low);
      double high = schema.double_or("maximum", 0);
      if (high < 0) return schema.at("maximum");
      return 0;
    }
    if (type == "null") return nullptr;
    return std::string(
        static_cast<std::size_t>(std::clamp<std::int64_t>(schema.int_or("minLength", 0), 0, 4096)), '-');
  }

 private:
  static bool required(const Json& schema, string_view name) {
    const Json* list = schema.find("required");
    if (list == nullptr) return false;
    for (const Json& item : list->items())
      if (item.is_string() && item.as_string() == name) return true;
    return false;
  }
  static bool in_range(const Json& schema, const Json& value) {
    if (!value.is_number()) return true;
    double v = value.as_double();
    if (const Json* low = schema.find("minimum"); low != nullptr && low->is_number() && v < low->as_double())
      return false;
    if (const Json* high = schema.find("maximum");
        high != nullptr && high->is_number() && v > high->as_double())
      return false;
    return true;
  }
  /// Cut to maxLength (characters) at a UTF-8 boundary; too short is not found.
  static std::optional<Json> bounded(const Json& schema, std::string text) {
    std::int64_t most = schema.int_or("maxLength", -1);
    std::int64_t characters = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if ((static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) continue;
      if (most >= 0 && characters == most) {
        text.resize(i);
        break;
      }
      ++characters;
    }
    if (characters < schema.int_or("minLength", 0)) return std::nullopt;
    return Json(std::move(text));
  }
  std::optional<Json> typed(const std::string& name, const Json& schema, const std::string& text) {
    string_view type = type_of(schema);
    if (type == "string" && !schema.contains("format") && !schema.contains("enum"))
      return bounded(schema, text);
    if (type == "boolean") {
      std::string l = lower(squeeze(text.substr(0, 40)));
      for (string_view yes : {"yes", "true", "on", "enabled", "1"})
        if (l == yes) return Json(true);
      for (string_view no : {"no", "false", "off", "disabled", "0"})
        if (l == no) return Json(false);
      return std::nullopt;
    }
    Filler filler{text.substr(0, 20000), {}};
    auto found = filler.value(name, schema, root_, true);
    if (found && !in_range(schema, *found)) return std::nullopt;
    return found;
  }

  const Json& root_;
  const Material& m_;
};

}  // namespace

Json fit(const Json& schema, const Material& material) {
  Fitter fitter(schema, material);
  if (auto found = fitter.find("answer", schema, 0)) return std::move(*found);
  return fitter.nothing(schema, 0);
}

}  // namespace beluga::llm::offline_model
