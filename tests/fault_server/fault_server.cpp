#include "tests/fault_server/fault_server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <system_error>

namespace beluga::testing {
namespace {

/// Unwinds a handler. `how` tells what to do with the socket.
enum class Unwind : std::uint8_t { close, reset, keep };

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

void open_fd_signal(int fd) noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(fd, &one, sizeof one);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

std::uint16_t bind_to(int fd, sockaddr_in address) {
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("bind");
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) fail("getsockname");
  return ntohs(address.sin_port);
}

std::uint16_t bind_loopback(int fd) {
  return bind_to(fd, loopback(0));
}

int tcp_socket(int flags = 0) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  if (fd < 0) fail("socket");
  return fd;
}

void reset_on_close(int fd) noexcept {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

/// Writes all; false when the peer is gone.
bool write_all(int fd, std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool equal_names(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

void parse_head(ReceivedRequest& request) {
  std::string_view rest = request.head;
  const auto line = [&] {
    const std::size_t end = rest.find("\r\n");
    const std::string_view out = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
    return out;
  };
  const std::string_view first = line();
  const std::size_t space = first.find(' ');
  const std::size_t second = first.rfind(' ');
  request.method = first.substr(0, space);
  if (space != std::string_view::npos && second > space)
    request.target = first.substr(space + 1, second - space - 1);
  for (std::string_view field = line(); !field.empty(); field = line()) {
    const std::size_t colon = field.find(':');
    std::string_view value = colon == std::string_view::npos ? std::string_view() : field.substr(colon + 1);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    request.headers.emplace_back(field.substr(0, colon), value);
  }
}

}  // namespace

Gate::Gate() : fd_(::eventfd(0, EFD_CLOEXEC)) {
  if (fd_ < 0) fail("eventfd");
}
Gate::~Gate() {
  ::close(fd_);
}
void Gate::open() noexcept {
  open_fd_signal(fd_);
}

std::string ReceivedRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (equal_names(key, name)) return value;
  }
  return {};
}

bool ReceivedRequest::has_header(std::string_view name) const {
  return std::ranges::any_of(headers, [&](const auto& field) { return equal_names(field.first, name); });
}

/// Waits for `events` on `fd`; unwinds the handler when the server ends.
void FaultConnection::wait(int fd, short events) {
  for (;;) {
    std::array<pollfd, 2> fds{pollfd{fd, events, 0}, pollfd{server_.stop_, POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) fail("poll");
    if (fds[1].revents != 0) throw Unwind::reset;
    if (fds[0].revents != 0) return;
  }
}

bool FaultConnection::fill() {
  wait(fd_, POLLIN);
  std::array<char, 65536> bytes;
  const ssize_t n = ::recv(fd_, bytes.data(), bytes.size(), 0);
  if (n < 0 && errno == ECONNRESET) throw Unwind::close;
  if (n < 0) fail("recv");
  buffer_.append(bytes.data(), static_cast<std::size_t>(n));
  return n != 0;
}

std::string FaultConnection::read_some() {
  if (buffer_.empty()) fill();
  return std::exchange(buffer_, {});
}

const ReceivedRequest& FaultConnection::read_request() {
  const auto need = [&](std::string_view mark, std::size_t from) {
    std::size_t at = 0;
    while ((at = buffer_.find(mark, from)) == std::string::npos) {
      if (!fill()) throw Unwind::close;
    }
    return at + mark.size();
  };
  const auto need_bytes = [&](std::size_t count) {
    while (buffer_.size() < count) {
      if (!fill()) throw Unwind::close;
    }
  };
  request_ = {};
  request_.connection = index_;
  const std::size_t head = need("\r\n\r\n", 0);
  request_.head = buffer_.substr(0, head);
  buffer_.erase(0, head);
  parse_head(request_);
  if (request_.header("Expect") == "100-continue") send("HTTP/1.1 100 Continue\r\n\r\n");
  if (equal_names(request_.header("Transfer-Encoding"), "chunked")) {
    for (;;) {
      const std::size_t line = need("\r\n", 0);
      std::size_t size = 0;
      std::from_chars(buffer_.data(), buffer_.data() + line, size, 16);
      need_bytes(line + size + 2);
      request_.body += buffer_.substr(line, size);
      buffer_.erase(0, line + size + 2);
      if (size == 0) break;
    }
  } else if (const std::string length = request_.header("Content-Length"); !length.empty()) {
    const std::size_t size = std::stoul(length);
    need_bytes(size);
    request_.body = buffer_.substr(0, size);
    buffer_.erase(0, size);
  }
  server_.record(request_);
  return request_;
}

void FaultConnection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    wait(fd_, POLLOUT);
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) throw Unwind::close;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

void FaultConnection::send_apart(std::string_view bytes, std::chrono::milliseconds gap) {
  for (char byte : bytes) {
    send({&byte, 1});
    if (gap.count() == 0) {
      flush();
      continue;
    }
    // Between two bytes, notice the server's end and the peer's.
    const auto until = std::chrono::steady_clock::now() + gap;
    for (;;) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
      if (left.count() <= 0) break;
      std::array<pollfd, 2> fds{pollfd{fd_, POLLRDHUP, 0}, pollfd{server_.stop_, POLLIN, 0}};
      const int ready = ::poll(fds.data(), fds.size(), static_cast<int>(left.count()));
      if (ready > 0) throw Unwind::reset;
    }
  }
}

void FaultConnection::flush() {
  // There is no event for "acknowledged"; on loopback it takes microseconds.
  for (int unsent = 1; unsent != 0;) {
    std::array<pollfd, 2> fds{pollfd{fd_, POLLRDHUP, 0}, pollfd{server_.stop_, POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), 0) > 0) {
      if (fds[1].revents != 0) throw Unwind::reset;
      return;
    }
    if (::ioctl(fd_, SIOCOUTQ, &unsent) != 0) fail("ioctl SIOCOUTQ");
  }
}

void FaultConnection::wait_for(Gate& gate) {
  wait(gate.fd_, POLLIN);
}

void FaultConnection::stall() {
  std::array<char, 65536> bytes;
  for (;;) {
    wait(fd_, POLLIN);
    if (::recv(fd_, bytes.data(), bytes.size(), 0) <= 0) throw Unwind::close;
  }
}

void FaultConnection::hold() {
  throw Unwind::keep;
}
void FaultConnection::close() {
  throw Unwind::close;
}
void FaultConnection::reset() {
  throw Unwind::reset;
}
void FaultConnection::shutdown_send() {
  ::shutdown(fd_, SHUT_WR);
}

void FaultConnection::act_as_proxy() {
  for (;;) {
    const ReceivedRequest& request = read_request();
    const bool tunnel = request.method == "CONNECT";
    std::string_view target = request.target;
    if (!tunnel) {
      if (!target.starts_with("http://")) {
        send(http_response("400 Bad Request", "", "absolute target wanted"));
        continue;
      }
      target.remove_prefix(7);
    }
    const std::string_view authority = target.substr(0, target.find('/'));
    const std::size_t colon = authority.rfind(':');
    std::uint16_t port = 80;
    if (colon != std::string_view::npos)
      std::from_chars(authority.data() + colon + 1, authority.data() + authority.size(), port);
    const int other = tcp_socket();
    const sockaddr_in address = loopback(port);
    if (::connect(other, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      ::close(other);
      send(http_response("502 Bad Gateway", "", "cannot connect"));
      continue;
    }
    if (tunnel) {
      send("HTTP/1.1 200 Connection established\r\n\r\n");
    } else {
      std::string forwarded =
          request.method + " " + std::string(target.substr(authority.size())) + " HTTP/1.1\r\n";
      for (const auto& [name, value] : request.headers) {
        if (!equal_names(name, "Proxy-Connection")) forwarded += name + ": " + value + "\r\n";
      }
      write_all(other, forwarded + "\r\n" + request.body);
    }
    try {
      relay(other);
    } catch (...) {
      ::close(other);
      throw;
    }
  }
}

/// Copies both ways until one side ends; then closes both.
void FaultConnection::relay(int other) {
  write_all(other, std::exchange(buffer_, {}));
  std::array<char, 65536> bytes;
  for (;;) {
    std::array<pollfd, 3> fds{pollfd{fd_, POLLIN, 0}, pollfd{other, POLLIN, 0},
                              pollfd{server_.stop_, POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) fail("poll");
    if (fds[2].revents != 0) throw Unwind::reset;
    for (int from = 0; from < 2; ++from) {
      if (fds[static_cast<std::size_t>(from)].revents == 0) continue;
      const ssize_t n = ::recv(from == 0 ? fd_ : other, bytes.data(), bytes.size(), 0);
      if (n <= 0) throw Unwind::close;
      if (!write_all(from == 0 ? other : fd_, {bytes.data(), static_cast<std::size_t>(n)}))
        throw Unwind::close;
    }
  }
}

FaultServer::FaultServer(Handler handler) : handler_(std::move(handler)) {
  listener_ = tcp_socket();
  port_ = bind_loopback(listener_);
  if (::listen(listener_, 4096) != 0) fail("listen");
  stop_ = ::eventfd(0, EFD_CLOEXEC);
  held_epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (stop_ < 0 || held_epoll_ < 0) fail("eventfd");
  epoll_event stop_event{.events = EPOLLIN, .data = {.fd = stop_}};
  ::epoll_ctl(held_epoll_, EPOLL_CTL_ADD, stop_, &stop_event);
  acceptor_ = std::thread([this] { accept_loop(); });
  held_watcher_ = std::thread([this] { watch_held(); });
}

FaultServer::~FaultServer() {
  open_fd_signal(stop_);
  acceptor_.join();
  held_watcher_.join();
  for (std::thread& thread : threads_) thread.join();
  for (int fd : held_) {
    reset_on_close(fd);
    ::close(fd);
  }
  ::close(listener_);
  ::close(held_epoll_);
  ::close(stop_);
}

FaultServer::Handler FaultServer::always(std::string response) {
  return [response = std::move(response)](FaultConnection& peer) {
    for (;;) {
      peer.read_request();
      peer.send(response);
    }
  };
}

FaultServer::Handler FaultServer::cut(std::string response, std::size_t bytes, End end) {
  return [response = std::move(response), bytes, end](FaultConnection& peer) {
    peer.read_request();
    peer.send(std::string_view(response).substr(0, bytes));
    peer.flush();  // a reset would otherwise overtake the bytes
    if (end == End::stall) peer.stall();
    if (end == End::reset) peer.reset();
    peer.close();
  };
}

void FaultServer::accept_loop() {
  for (;;) {
    std::array<pollfd, 2> fds{pollfd{listener_, POLLIN, 0}, pollfd{stop_, POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), -1) < 0) continue;
    if (fds[1].revents != 0) return;
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const std::lock_guard lock(mutex_);
    const std::size_t index = accepted_++;
    threads_.emplace_back([this, fd, index] { serve(fd, index); });
    changed_.notify_all();
  }
}

void FaultServer::serve(int fd, std::size_t index) {
  Unwind how = Unwind::close;
  {
    FaultConnection connection(*this, fd, index);
    try {
      handler_(connection);
    } catch (Unwind unwind) {
      how = unwind;
    }
  }
  if (how == Unwind::keep) {
    const std::lock_guard lock(mutex_);
    held_.push_back(fd);
    epoll_event event{.events = EPOLLIN | EPOLLRDHUP, .data = {.fd = fd}};
    ::epoll_ctl(held_epoll_, EPOLL_CTL_ADD, fd, &event);
    changed_.notify_all();
    return;
  }
  if (how == Unwind::reset) {
    reset_on_close(fd);
  } else {
    // Closing with unread input would send RST and may destroy what the peer has not read yet.
    ::shutdown(fd, SHUT_WR);
    std::array<char, 4096> rest;
    while (::recv(fd, rest.data(), rest.size(), MSG_DONTWAIT) > 0) {
    }
  }
  ::close(fd);
  ended();
}

void FaultServer::watch_held() {
  for (;;) {
    std::array<epoll_event, 64> events;
    const int ready = ::epoll_wait(held_epoll_, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < ready; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == stop_) return;
      std::array<char, 4096> bytes;
      const ssize_t n = ::recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (n > 0 || (n < 0 && errno == EAGAIN)) continue;
      {
        const std::lock_guard lock(mutex_);
        std::erase(held_, fd);
        ::close(fd);
      }
      ended();
    }
  }
}

void FaultServer::send_to_held(std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  for (int fd : held_) write_all(fd, bytes);
}

void FaultServer::record(const ReceivedRequest& request) {
  const std::lock_guard lock(mutex_);
  requests_.push_back(request);
  changed_.notify_all();
}

void FaultServer::ended() {
  const std::lock_guard lock(mutex_);
  ++ended_;
  last_end_ = std::chrono::steady_clock::now();
  changed_.notify_all();
}

std::string FaultServer::authority() const {
  return "127.0.0.1:" + std::to_string(port_);
}
std::string FaultServer::url(std::string_view path) const {
  return "http://" + authority() + std::string(path);
}

std::vector<ReceivedRequest> FaultServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}
std::size_t FaultServer::connections() const {
  const std::lock_guard lock(mutex_);
  return accepted_;
}
std::size_t FaultServer::open() const {
  const std::lock_guard lock(mutex_);
  return accepted_ - ended_;
}
std::chrono::steady_clock::time_point FaultServer::last_end() const {
  const std::lock_guard lock(mutex_);
  return last_end_;
}

bool FaultServer::wait(std::chrono::milliseconds limit, const std::function<bool()>& reached) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, std::chrono::system_clock::now() + limit, reached);
}
bool FaultServer::wait_for_requests(std::size_t count, std::chrono::milliseconds limit) const {
  return wait(limit, [&] { return requests_.size() >= count; });
}
bool FaultServer::wait_for_connections(std::size_t count, std::chrono::milliseconds limit) const {
  return wait(limit, [&] { return accepted_ >= count; });
}
bool FaultServer::wait_until_open_at_most(std::size_t count, std::chrono::milliseconds limit) const {
  return wait(limit, [&] { return accepted_ - ended_ <= count; });
}
bool FaultServer::wait_for_held(std::size_t count, std::chrono::milliseconds limit) const {
  return wait(limit, [&] { return held_.size() >= count; });
}

std::string http_response(std::string_view status, std::string_view headers, std::string_view body) {
  return "HTTP/1.1 " + std::string(status) + "\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

std::string http_chunk(std::string_view data) {
  std::array<char, 20> hex{};
  const auto end = std::to_chars(hex.data(), hex.data() + hex.size(), data.size(), 16);
  return std::string(hex.data(), end.ptr) + "\r\n" + std::string(data) + "\r\n";
}

std::string sse_response(const std::vector<std::string>& chunks) {
  std::string out =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string& chunk : chunks) out += http_chunk(chunk);
  return out + "0\r\n\r\n";
}

std::uint16_t refused_port() {
  const int fd = tcp_socket();
  const std::uint16_t port = bind_loopback(fd);
  ::close(fd);
  return port;
}

UnresponsivePort::UnresponsivePort(unsigned char host, std::uint16_t port) {
  const int listener = tcp_socket();
  fds_.push_back(listener);
  sockaddr_in address = loopback(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + host);
  port_ = bind_to(listener, address);
  address.sin_port = htons(port_);
  if (::listen(listener, 0) != 0) fail("listen");
  // Linux accepts backlog + 1 connections by itself, then drops each SYN.
  for (int i = 0; i < 4; ++i) {
    const int fd = tcp_socket(SOCK_NONBLOCK);
    fds_.push_back(fd);
    ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  char text[14];
  std::snprintf(text, sizeof text, "%08X:%04X", address.sin_addr.s_addr, port_);
  address_ = text;
  own_attempts_ = attempts();
}

/// Sockets in the state SYN-SENT (02) towards this port: "sl: local remote state ..." in hexadecimal.
std::size_t UnresponsivePort::attempts() const {
  std::ifstream table("/proc/net/tcp");
  std::size_t count = 0;
  for (std::string line; std::getline(table, line);) {
    if (line.find(" " + address_ + " 02 ") != std::string::npos) ++count;
  }
  return count;
}

void UnresponsivePort::let_in() {
  if (::listen(fds_.front(), 64) != 0) fail("listen");
}

UnresponsivePort::~UnresponsivePort() {
  for (int fd : fds_) ::close(fd);
}

}  // namespace beluga::testing
