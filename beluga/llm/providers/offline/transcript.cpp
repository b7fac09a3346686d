#include "beluga/llm/providers/offline/internal/transcript.hpp"

#include <algorithm>

#include "beluga/base/result.hpp"
#include "beluga/llm/providers/offline/internal/question.hpp"

namespace beluga::llm::offline_model {
namespace {

bool says_capped(std::string_view content) {
  std::string tail = lower(content.size() > 400 ? content.substr(content.size() - 400) : content);
  for (std::string_view w :
       {"truncated", "more match", "limit reached", "more result", "omitted", "not shown", "first "})
    if (tail.find(w) != std::string::npos) return true;
  return false;
}

/// "[1200 lines in all; go on with start_line 801]": a tool says so where it stopped short. 0 if it does not.
std::int64_t lines_in_all(std::string_view content) {
  while (!content.empty() && is_blank(content.back())) content.remove_suffix(1);
  std::string_view line = content.substr(content.rfind('\n') + 1);
  if (line.size() > 200 || line.empty() || (line.front() != '[' && line.front() != '(') ||
      line.find("line") == std::string_view::npos)
    return 0;
  std::int64_t most = 0, number = 0;
  for (char c : line) {
    number = is_digit(c) && number < 100'000'000 ? number * 10 + (c - '0') : 0;
    most = std::max(most, number);
  }
  return most;
}

void normalise(std::string& path) {
  while (path.starts_with("./")) path.erase(0, 2);
}

}  // namespace

State read(const ChatRequest& request) {
  State s;
  s.tools.reserve(request.tools.size());
  if (request.tool_choice.mode != ToolChoice::Mode::none)
    for (const ToolSchema& schema : request.tools) s.tools.push_back(view(schema));

  std::size_t last_user = request.messages.size();
  for (std::size_t i = request.messages.size(); i-- > 0;)
    if (request.messages[i].role == Role::user) {
      last_user = i;
      break;
    }
  auto documents_of = [&](const Message& message) {
    for (const Part& part : message.parts)
      if (const File* file = std::get_if<File>(&part);
          file != nullptr && file->data.data &&
          (file->data.mime_type.starts_with("text/") || file->data.mime_type.empty() ||
           file->data.mime_type == "application/json"))
        s.given.emplace_back(file->name.empty() ? "attachment" : file->name, *file->data.data);
  };
  for (std::size_t i = 0; i < request.messages.size(); ++i) {
    const Message& message = request.messages[i];
    if (message.role == Role::user) {
      documents_of(message);
      if (i < last_user) {
        Split split = split_document(message.text());
        s.previous_request = split.question;
        if (!split.document.empty())
          s.given.emplace_back("message " + std::to_string(i + 1), std::move(split.document));
      }
    } else if (i < last_user && message.role == Role::assistant) {
      s.calls_before += message.tool_calls().size();
    } else if (message.role == Role::system) {
      // A long system message brings documents; a short one is an instruction, and there is nothing to
      // instruct here.
      std::string text = message.text();
      if (text.size() > 600) s.given.emplace_back("system message", std::move(text));
    }
  }
  if (last_user < request.messages.size()) {
    Split split = split_document(request.messages[last_user].text());
    s.request = std::move(split.question);
    s.document = std::move(split.document);
  }

  std::map<std::string, std::size_t> by_id;
  for (std::size_t i = last_user + 1; i < request.messages.size(); ++i) {
    const Message& message = request.messages[i];
    if (message.role == Role::assistant) {
      auto calls = message.tool_calls();
      if (calls.empty()) continue;
      ++s.rounds;
      for (const ToolCall* call : calls) {
        Done done;
        done.name = call->name;
        done.id = call->id;
        done.round = s.rounds;
        auto parsed = attempt([&] {
          return Json::parse(call->arguments.empty() ? std::string_view("{}")
                                                     : std::string_view(call->arguments));
        });
        if (parsed) done.arguments = std::move(*parsed);
        for (const ToolView& tool : s.tools)
          if (tool.schema->name == call->name) done.tool = &tool;
        by_id[call->id] = s.calls.size();
        s.calls.push_back(std::move(done));
      }
    } else {
      for (const Part& part : message.parts)
        if (const ToolResult* result = std::get_if<ToolResult>(&part))
          if (auto it = by_id.find(result->call_id); it != by_id.end()) s.calls[it->second].result = result;
    }
  }
  return s;
}

std::string tool_path(const Done& call) {
  if (call.tool == nullptr || call.tool->path.empty()) return {};
  std::string path(call.arguments.string_or(call.tool->path, ""));
  while (path.starts_with("./")) path.erase(0, 2);
  return path == "." ? std::string() : path;
}

Known learn(const State& s) {
  Known k;
  for (const Done& call : s.calls) {
    if (call.result == nullptr || call.tool == nullptr) continue;
    const std::string& content = call.result->content;
    if (call.result->is_error) {
      k.failures.push_back(call.name + ": " + squeeze(content.substr(0, 160)));
      continue;
    }
    switch (call.tool->purpose) {
      case Purpose::search: {
        ++k.searches;
        std::vector<Hit> hits = parse_hits(content);
        std::string in = tool_path(call);
        std::string pattern(call.arguments.string_or(call.tool->query, ""));
        if (in.empty()) k.hits[pattern] = hits.size();
        if (hits.size() >= 40 && (says_capped(content) || hits.size() >= 200)) k.capped.insert(pattern);
        for (Hit& hit : hits) {
          normalise(hit.path);
          k.evidence.add(hit.path, hit.line, hit.text);
        }
        k.any_lines = k.any_lines || !hits.empty();
        // A knowledge base that answers in prose.
        if (hits.empty() && content.size() > 40 && !content.starts_with("[]") && !content.starts_with("{") &&
            lower(content.substr(0, 60)).find("no ") == std::string::npos) {
          std::int64_t line = 1;
          for (Hit& hit : parse_file(content, call.name, line)) k.evidence.add(call.name, hit.line, hit.text);
        }
        break;
      }
      case Purpose::read: {
        ++k.reads;
        std::int64_t from = call.tool->first.empty() ? 1 : call.arguments.int_or(call.tool->first, 1);
        if (call.tool->first_from_zero) ++from;
        std::string path = tool_path(call);
        std::int64_t last = 0;
        for (const Hit& hit : parse_file(content, path, from)) {
          k.evidence.add(path, hit.line, hit.text);
          last = std::max(last, hit.line);
        }
        if (from == 1 && last > 0) {
          k.begun.insert(path);
          const std::int64_t total = lines_in_all(content);
          if (total > last) k.progress[path] = {last + 1, total};
        } else if (auto it = k.progress.find(path); it != k.progress.end() && last >= it->second.total) {
          k.progress.erase(it);
        }
        k.any_lines = true;
        break;
      }
      case Purpose::list: {
        std::string base = tool_path(call);
        for (auto& [path, size] : parse_sizes(content)) k.sizes[path] = size;
        for (std::string& path : parse_listing(content)) {
          normalise(path);
          if (!base.empty() && !path.starts_with(base)) path = base + (base.ends_with("/") ? "" : "/") + path;
          k.listing.insert(std::move(path));
        }
        break;
      }
      case Purpose::other:
        break;
    }
  }
  return k;
}

}  // namespace beluga::llm::offline_model
