#include "beluga/base/internal/uri_reference.hpp"

namespace beluga::detail {
namespace {

/// RFC 3986 section 5.2.4.
std::string without_dot_segments(std::string_view in) {
  std::string out;
  const auto starts = [&](std::string_view prefix) { return in.substr(0, prefix.size()) == prefix; };
  while (!in.empty()) {
    if (starts("../")) {
      in.remove_prefix(3);
    } else if (starts("./")) {
      in.remove_prefix(2);
    } else if (starts("/./")) {
      in.remove_prefix(2);
    } else if (in == "/.") {
      in = "/";
    } else if (starts("/../") || in == "/..") {
      in = in == "/.." ? std::string_view("/") : in.substr(3);
      const auto slash = out.rfind('/');
      out.resize(slash == std::string::npos ? 0 : slash);
    } else if (in == "." || in == "..") {
      in = {};
    } else {
      const auto next = in.find('/', 1);
      out += in.substr(0, next);
      in = next == std::string_view::npos ? std::string_view() : in.substr(next);
    }
  }
  return out;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

UriParts split_uri(std::string_view uri) noexcept {
  UriParts parts;
  if (const auto hash = uri.find('#'); hash != std::string_view::npos) {
    parts.has_fragment = true;
    parts.fragment = uri.substr(hash + 1);
    uri = uri.substr(0, hash);
  }
  if (const auto question = uri.find('?'); question != std::string_view::npos) {
    parts.has_query = true;
    parts.query = uri.substr(question + 1);
    uri = uri.substr(0, question);
  }
  const auto colon = uri.find(':');
  if (colon != std::string_view::npos && colon > 0 &&
      uri.substr(0, colon).find('/') == std::string_view::npos) {
    bool valid = (uri[0] >= 'a' && uri[0] <= 'z') || (uri[0] >= 'A' && uri[0] <= 'Z');
    for (const char c : uri.substr(0, colon))
      valid = valid && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                        c == '+' || c == '-' || c == '.');
    if (valid) {
      parts.has_scheme = true;
      parts.scheme = uri.substr(0, colon);
      uri = uri.substr(colon + 1);
    }
  }
  if (uri.substr(0, 2) == "//") {
    parts.has_authority = true;
    uri.remove_prefix(2);
    const auto slash = uri.find('/');
    parts.authority = uri.substr(0, slash);
    uri = slash == std::string_view::npos ? std::string_view() : uri.substr(slash);
  }
  parts.path = uri;
  return parts;
}

std::string resolve_uri(std::string_view base_text, std::string_view reference_text) {
  const UriParts base = split_uri(base_text);
  const UriParts ref = split_uri(reference_text);
  UriParts target = ref;
  std::string path;
  if (ref.has_scheme) {
    path = ref.has_authority || ref.path.substr(0, 1) == "/" ? without_dot_segments(ref.path)
                                                             : std::string(ref.path);
  } else {
    target.scheme = base.scheme;
    target.has_scheme = base.has_scheme;
    if (ref.has_authority) {
      path = without_dot_segments(ref.path);
    } else {
      target.authority = base.authority;
      target.has_authority = base.has_authority;
      if (ref.path.empty()) {
        path = base.path;
        if (!ref.has_query) {
          target.query = base.query;
          target.has_query = base.has_query;
        }
      } else if (ref.path[0] == '/') {
        path = without_dot_segments(ref.path);
      } else {
        std::string merged;
        if (base.has_authority && base.path.empty())
          merged = "/";
        else if (const auto slash = base.path.rfind('/'); slash != std::string_view::npos)
          merged = base.path.substr(0, slash + 1);
        path = without_dot_segments(merged += ref.path);
      }
    }
  }
  std::string out;
  if (target.has_scheme) out.append(target.scheme) += ':';
  if (target.has_authority) (out += "//") += target.authority;
  out += path;
  if (target.has_query) (out += '?') += target.query;
  if (ref.has_fragment) (out += '#') += ref.fragment;
  return out;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace beluga::detail
