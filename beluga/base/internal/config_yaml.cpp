// YAML through yaml-cpp's event interface: it gives the place of everything, lets duplicate keys be seen, and
// an alias stays a reference, so that the "billion laughs" cost nothing before they are counted.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <optional>
#include <sstream>
#include <unordered_map>

#include "beluga/base/internal/config_tree.hpp"
#include "beluga/base/internal/utf8.hpp"

namespace beluga::detail {
namespace {

using Kind = ConfigNode::Kind;

class YamlReader final : public YAML::EventHandler {
 public:
  explicit YamlReader(std::shared_ptr<const std::string> name) : name_(std::move(name)) {}

  ConfigNodePtr root() const { return root_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (root_ != nullptr) fail(mark, "a second document begins here; a configuration is one document");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    scalar(mark, Kind::null, "", anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (tag == "?" || tag == "tag:yaml.org,2002:int" || tag == "tag:yaml.org,2002:float" ||
        tag == "tag:yaml.org,2002:bool") {
      scalar(mark, Kind::plain, value, anchor);
    } else if (tag == "!" || tag == "tag:yaml.org,2002:str") {
      scalar(mark, Kind::string, value, anchor);
    } else if (tag == "tag:yaml.org,2002:null") {
      scalar(mark, Kind::null, "", anchor);
    } else {
      fail(mark, "the tag " + tag + " is not supported; remove it");
    }
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) fail(mark, "this alias refers to a value that contains it");
    add(mark, found->second);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Kind::list);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Kind::map);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    std::shared_ptr<ConfigNode> node;
    YAML::Mark mark;
    YAML::anchor_t anchor = 0;
    std::optional<std::string> key;
    ConfigOrigin key_origin;
    std::unordered_map<std::string, std::size_t> lines;  // of the keys
  };

  [[noreturn]] void fail(const YAML::Mark& mark, std::string_view message) const {
    config_fail(*name_, static_cast<std::size_t>(mark.line) + 1, static_cast<std::size_t>(mark.column) + 1,
                message);
  }

  ConfigOrigin origin(const YAML::Mark& mark) const {
    return {ConfigOrigin::Source::file, name_, static_cast<std::size_t>(mark.line) + 1,
            static_cast<std::size_t>(mark.column) + 1};
  }

  void scalar(const YAML::Mark& mark, Kind kind, const std::string& text, YAML::anchor_t anchor) {
    auto node = std::make_shared<ConfigNode>();
    node->kind = kind;
    node->text = text;
    node->origin = origin(mark);
    if (anchor != 0) anchors_[anchor] = node;
    add(mark, node);
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Kind kind) {
    if (frames_.size() >= kConfigDepth)
      fail(mark, "nested deeper than " + std::to_string(kConfigDepth) + " levels");
    const std::string_view known = kind == Kind::map ? "tag:yaml.org,2002:map" : "tag:yaml.org,2002:seq";
    if (!tag.empty() && tag != "?" && tag != "!" && tag != known)
      fail(mark, "the tag " + tag + " is not supported; remove it");
    if (!frames_.empty() && frames_.back().node->kind == Kind::map && !frames_.back().key)
      fail(mark, "a key must be a text");
    Frame frame;
    frame.node = std::make_shared<ConfigNode>();
    frame.node->kind = kind;
    frame.node->origin = origin(mark);
    frame.mark = mark;
    frame.anchor = anchor;
    frames_.push_back(std::move(frame));
  }

  void close() {
    const Frame frame = std::move(frames_.back());
    frames_.pop_back();
    if (frame.anchor != 0) anchors_[frame.anchor] = frame.node;
    add(frame.mark, frame.node);
  }

  void add(const YAML::Mark& mark, const ConfigNodePtr& node) {
    if (frames_.empty()) {
      root_ = node;
      return;
    }
    Frame& frame = frames_.back();
    if (frame.node->kind == Kind::map && !frame.key) {
      if (node->kind != Kind::plain && node->kind != Kind::string) fail(mark, "a key must be a text");
      if (node->kind == Kind::plain && node->text == "<<")
        fail(mark, "merge keys (<<) are not supported; write the keys out");
      const auto [known, fresh] =
          frame.lines.try_emplace(node->text, static_cast<std::size_t>(mark.line) + 1);
      if (!fresh)
        fail(mark, "the key '" + node->text + "' occurs twice; it is already set in line " +
                       std::to_string(known->second));
      frame.key = node->text;
      frame.key_origin = origin(mark);
      return;
    }
    frame.node->weight += node->weight;
    if (frame.node->weight > kConfigNodes)
      fail(mark, "more than " + std::to_string(kConfigNodes) + " values; are aliases multiplying them?");
    if (frame.node->kind == Kind::list) {
      frame.node->items.push_back(node);
    } else {
      frame.node->members.push_back({*std::move(frame.key), std::move(frame.key_origin), node});
      frame.key.reset();
    }
  }

  std::shared_ptr<const std::string> name_;
  ConfigNodePtr root_;
  std::vector<Frame> frames_;
  std::unordered_map<YAML::anchor_t, ConfigNodePtr> anchors_;
};

}  // namespace

ConfigNodePtr read_config_yaml(std::string_view text, const std::string& name) {
  // YAML 1.2 section 5.1 allows no others; yaml-cpp takes some for the end of the text or for another
  // encoding.
  for (std::size_t i = 0, line = 1; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '\n') ++line;
    if ((c < 0x20 && c != '\n' && c != '\t' && c != '\r') || c == 0x7F)
      config_fail(name, line, i - (text.substr(0, i).rfind('\n') + 1) + 1,
                  "a control character; YAML allows none here");
  }
  YamlReader reader(std::make_shared<const std::string>(name));
  try {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(reader)) {
    }
  } catch (const YAML::Exception& error) {
    config_fail(name, static_cast<std::size_t>(error.mark.line) + 1,
                static_cast<std::size_t>(error.mark.column) + 1, error.msg);
  }
  return reader.root();
}

}  // namespace beluga::detail
