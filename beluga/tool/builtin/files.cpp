#include <re2/re2.h>

#include <algorithm>

#include "beluga/base/utf8.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/tool/builtin/builtin.hpp"
#include "beluga/tool/internal/root_folder.hpp"
#include "beluga/tool/typed.hpp"

namespace beluga::tool::builtin {
namespace {

using beluga::detail::RootFolder;

constexpr std::size_t kMaxRead = 16 * 1024 * 1024;  // of one file
constexpr std::size_t kMaxSearched = 4 * 1024 * 1024;
constexpr std::size_t kMaxLine = 400;        // bytes of one line in a result
constexpr std::size_t kMaxText = 48 * 1024;  // of one result, below ToolSetOptions::max_output
constexpr ToolTraits kFileTraits{.read_only = true, .idempotent = true, .timeout = std::chrono::seconds(30)};

/// Calls f(number from 1, line without its end) until it returns false.
template <class F>
void for_each_line(std::string_view text, F f) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (!f(number, line)) return;
  }
}

struct ReadArgs {
  Field<std::string, "Path of the file, relative to the root", Limits{.min_length = 1, .max_length = 4096}>
      path;
  Field<std::int64_t, "First line to read, from 1", Limits{.minimum = 1}> start_line = 1;
  Field<int, "How many lines", Limits{.minimum = 1, .maximum = 2000}> max_lines = 400;
};

ToolOutput read_lines(const RootFolder& root, const ReadArgs& args) {
  const std::string data = root.read(args.path, kMaxRead);
  if (beluga::detail::looks_binary(data))
    raise(Error(ErrorCode::failed_precondition, "'" + *args.path + "' is a binary file"));
  ToolOutput out;
  const auto first = static_cast<std::size_t>(*args.start_line);
  std::size_t shown = 0;
  std::size_t total = 0;
  for_each_line(data, [&](std::size_t number, std::string_view line) {
    total = number;
    if (number < first || shown >= static_cast<std::size_t>(*args.max_lines) || out.content.size() > kMaxText)
      return true;
    out.content += std::to_string(number) + ": " + sanitize_utf8(shorten(line, 2000)) + "\n";
    ++shown;
    return true;
  });
  if (shown == 0)
    out.content = total == 0 ? "(the file is empty)" : "(the file has " + std::to_string(total) + " lines)";
  else if (first + shown - 1 < total)
    out.content += "[" + std::to_string(total) + " lines in all; go on with start_line " +
                   std::to_string(first + shown) + "]\n";
  if (data.size() == kMaxRead) out.content += "[only the first 16 MiB of the file were looked at]\n";
  if (shown > 0) out.sources.push_back(*args.path + ":" + std::to_string(first));
  return out;
}

struct ListArgs {
  Field<std::string, "Folder to list, relative to the root", Limits{.max_length = 4096}> path = ".";
  Field<std::string, "Only names like this: *.md, docs/**/*.txt", Limits{.max_length = 256}> glob = "";
  Field<int, "How many folders deep", Limits{.minimum = 0, .maximum = 32}> depth = 8;
  Field<int, "How many entries at most", Limits{.minimum = 1, .maximum = 2000}> limit = 500;
};

ToolOutput list(const RootFolder& root, const ListArgs& args) {
  ToolOutput out;
  int shown = 0;
  bool more = false;
  root.walk(args.path, static_cast<unsigned>(*args.depth), [&](const RootFolder::File& file) {
    if (!args.glob->empty() && (file.folder || !beluga::detail::glob_matches(*args.glob, file.path)))
      return true;
    if (shown == *args.limit || out.content.size() > kMaxText) {
      more = true;
      return false;
    }
    ++shown;
    out.content +=
        sanitize_utf8(file.path) + (file.folder ? "/\n" : " (" + std::to_string(file.size) + " bytes)\n");
    return true;
  });
  if (shown == 0) out.content = "(no files)";
  if (more) out.content += "[there are more; narrow path or glob]\n";
  return out;
}

struct SearchArgs {
  Field<std::string, "Text to look for", Limits{.min_length = 1, .max_length = 1000}> query;
  Field<bool, "Whether query is a regular expression (RE2 syntax)"> regex = false;
  Field<bool, "Whether upper and lower case differ"> case_sensitive = false;
  Field<std::string, "Folder or file to search, relative to the root", Limits{.max_length = 4096}> path = ".";
  Field<std::string, "Only files like this: *.md", Limits{.max_length = 256}> glob = "";
  Field<int, "Lines to show before and after each match", Limits{.minimum = 0, .maximum = 10}> context = 0;
  Field<int, "How many matches at most", Limits{.minimum = 1, .maximum = 500}> limit = 50;
};

class Search {
 public:
  Search(const RootFolder& root, const SearchArgs& args)
      : root_(root), args_(args), regex_(*args.query, options(args)) {
    if (!regex_.ok()) raise(Error(ErrorCode::invalid_argument, "/query: " + regex_.error()));
  }

  ToolOutput run() {
    bool more = false;
    root_.walk(args_.path, 32, [&](const RootFolder::File& file) {
      if (file.folder || file.size > kMaxSearched) return true;
      if (!args_.glob->empty() && !beluga::detail::glob_matches(*args_.glob, file.path)) return true;
      Context::current().check();
      const auto data = attempt([&] { return root_.read(file.path, kMaxSearched); });
      if (data.ok() && !beluga::detail::looks_binary(*data)) more = !search(file.path, *data);
      return !more;
    });
    if (out_.sources.empty()) out_.content = "(no match)";
    if (more) out_.content += "[there are more matches; narrow query, path or glob]\n";
    return std::move(out_);
  }

 private:
  static RE2::Options options(const SearchArgs& args) {
    RE2::Options options;
    options.set_literal(!*args.regex);
    options.set_case_sensitive(*args.case_sensitive);
    options.set_max_mem(8 << 20);
    options.set_log_errors(false);
    return options;
  }

  /// False once there are enough.
  bool search(const std::string& path, std::string_view data) {
    std::vector<std::string_view> lines;
    for_each_line(data, [&](std::size_t, std::string_view line) {
      lines.push_back(line);
      return true;
    });
    const auto context = static_cast<std::size_t>(*args_.context);
    std::size_t printed = 0;  // lines [0, printed) are out
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (!RE2::PartialMatch(re2::StringPiece(lines[i].data(), lines[i].size()), regex_)) continue;
      if (static_cast<int>(out_.sources.size()) >= *args_.limit || out_.content.size() > kMaxText)
        return false;
      for (std::size_t c = std::max(printed, i - std::min(i, context)); c < i; ++c)
        print(path, c, lines[c], '-');
      if (i >= printed) print(path, i, lines[i], ':');
      out_.sources.push_back(path + ":" + std::to_string(i + 1));
      printed = std::max(printed, i + 1);
      // Context after the match, up to the next match, which prints itself.
      for (std::size_t c = printed; c < std::min(lines.size(), i + 1 + context); ++c) {
        if (RE2::PartialMatch(re2::StringPiece(lines[c].data(), lines[c].size()), regex_)) break;
        print(path, c, lines[c], '-');
        printed = c + 1;
      }
    }
    return true;
  }
  void print(const std::string& path, std::size_t index, std::string_view line, char mark) {
    out_.content += sanitize_utf8(path) + mark + std::to_string(index + 1) + mark + " " +
                    sanitize_utf8(shorten(line, kMaxLine)) + "\n";
  }

  const RootFolder& root_;
  const SearchArgs& args_;
  RE2 regex_;
  ToolOutput out_;
};

}  // namespace

ToolPtr read_file(const std::string& root) {
  return make(
      "read_file", "Reads a text file, with line numbers.",
      [folder = std::make_shared<const RootFolder>(root)](const ReadArgs& args) {
        return read_lines(*folder, args);
      },
      kFileTraits);
}
ToolPtr list_files(const std::string& root) {
  return make(
      "list_files", "Lists files and folders.",
      [folder = std::make_shared<const RootFolder>(root)](const ListArgs& args) {
        return list(*folder, args);
      },
      kFileTraits);
}
ToolPtr search_files(const std::string& root) {
  return make(
      "search_files", "Searches the text of files and returns matching lines as path:line: text.",
      [folder = std::make_shared<const RootFolder>(root)](const SearchArgs& args) {
        return Search(*folder, args).run();
      },
      kFileTraits);
}
std::vector<ToolPtr> standard(const StandardOptions& options) {
  std::vector<ToolPtr> tools{read_file(options.root), list_files(options.root), search_files(options.root),
                             calculator(), current_time()};
  if (!options.allowed_hosts.empty())
    tools.push_back(
        http_get({.allowed_hosts = options.allowed_hosts, .allow_private = options.allow_private}));
  return tools;
}

}  // namespace beluga::tool::builtin
