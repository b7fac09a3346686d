#!/usr/bin/env python3
"""The beluga binary as a user meets it. Usage: cli_test.py path/to/beluga"""

import faulthandler
import fcntl
import http.server
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

BELUGA = os.path.abspath(sys.argv.pop(1))
# What runs in the background or under nohup ignores these, and so would what it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Home(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.root = os.path.join(self.dir.name, "files")
        os.mkdir(self.root)
        with open(os.path.join(self.root, "pump.md"), "w") as file:
            file.write("# Pump\n\nThe pump is serviced every 400 hours.\n\nThe default pressure is 3.5 bar.\n")
        self.home = os.path.join(self.dir.name, "home")
        self.env = {"PATH": os.environ["PATH"], "HOME": self.dir.name, "BELUGA_HOME": self.home, "NO_COLOR": "1"}

    def tearDown(self):
        self.dir.cleanup()

    def beluga(self, *args, stdin="", env=None, timeout=60):
        return subprocess.run([BELUGA, *args], input=stdin, env={**self.env, **(env or {})}, cwd=self.root,
                              capture_output=True, text=True, timeout=timeout)


class Run(Home):
    def test_answers_offline_with_a_citation_and_says_which_model(self):
        done = self.beluga("run", "What is the default pressure of the pump?")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("3.5 bar", done.stdout)
        self.assertIn("pump.md:5", done.stdout)
        self.assertEqual(done.stderr.count("OPENAI_API_KEY is not set"), 1)
        self.assertRegex(done.stderr, r"\d+ tokens .* tool calls?, \d+ steps?, ")

    def test_lists_the_folder_when_that_is_all_that_is_asked(self):
        self.assertEqual(self.beluga("run", "-m", "offline", "What is in this folder?").stdout,
                         "pump.md (1 files and folders in all)\n")

    def test_writes_one_event_a_line_with_json(self):
        done = self.beluga("run", "--json", "-m", "offline", "What is 17 * 23?")
        events = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([event["seq"] for event in events], list(range(1, len(events) + 1)))
        self.assertEqual(events[0]["type"], "run_started")
        self.assertEqual(events[-1]["type"], "run_completed")
        self.assertIn("391", json.dumps(events[-1]))

    def test_refuses_an_empty_question(self):
        self.assertEqual(self.beluga("run", "  ").returncode, 2)

    def test_takes_a_question_of_five_megabytes_from_stdin(self):
        done = self.beluga("run", "-m", "offline", "-", stdin="pump pressure " * 370_000)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_names_the_known_providers_for_an_unknown_one(self):
        done = self.beluga("run", "-m", "opnai/gpt-4o", "hello")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("openai", done.stderr)

    def test_names_the_variable_for_a_missing_key(self):
        done = self.beluga("run", "-m", "openai/gpt-4o", "hello")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("OPENAI_API_KEY", done.stderr)

    def test_says_that_nobody_answers_without_a_network(self):
        done = self.beluga("run", "-m", "openai/gpt-4o", "--base-url", "http://127.0.0.1:9/v1", "hello",
                           env={"OPENAI_API_KEY": "sk-secret-secret-secret-secret"})
        self.assertEqual(done.returncode, 1)
        self.assertIn("127.0.0.1", done.stderr)
        self.assertNotIn("secret-secret", done.stderr + done.stdout)

    def test_names_file_line_and_key_of_a_bad_configuration(self):
        path = os.path.join(self.root, "beluga.yaml")
        with open(path, "w") as file:
            file.write("model: offline\nmax_step: 3\n")
        done = self.beluga("run", "--config", path, "hello")
        self.assertEqual(done.returncode, 2)
        self.assertIn("beluga.yaml:2", done.stderr)
        self.assertIn("max_steps", done.stderr)

    def test_names_the_flag_of_a_bad_value(self):
        done = self.beluga("run", "--max-steps", "many", "hello")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--max-steps", done.stderr)

    def test_names_the_known_tools_for_an_unknown_one(self):
        done = self.beluga("run", "--tool", "read_fil", "hello")
        self.assertEqual(done.returncode, 2)
        self.assertIn("read_file", done.stderr)

    def test_reads_nothing_outside_the_root(self):
        with open(os.path.join(self.dir.name, "outside.md"), "w") as file:
            file.write("The launch code is 0451.\n")
        done = self.beluga("run", "-m", "offline", "Read ../outside.md: what is the launch code?")
        self.assertNotIn("0451", done.stdout + done.stderr)

    def test_ends_quietly_when_nobody_reads_its_output(self):
        process = subprocess.Popen([BELUGA, "run", "-m", "offline", "What is the default pressure of the pump?"],
                                   env=self.env, cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.close()
        self.assertGreaterEqual(process.wait(timeout=30), 0)  # not by a signal
        process.stderr.close()


    def test_guesses_what_a_mistyped_command_or_option_meant(self):
        for args, guess in ((["rn", "hi"], "'run'"), (["run", "--modle", "offline", "hi"], "'--model'"),
                            (["run", "what", "is", "this"], "quotation marks"), (["--json"], "run, chat"),
                            (["run", "-m", "a", "-m", "b", "hi"], "given twice")):
            done = self.beluga(*args)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(guess, done.stderr)
        self.assertIn("beluga ", self.beluga("-v").stdout)
        self.assertIn("Usage", self.beluga("help").stdout)

    def test_takes_an_empty_value_for_a_mistake(self):
        for flag in ("-m", "--base-url", "--session"):
            done = self.beluga("run", flag, "", "hello")
            self.assertEqual(done.returncode, 2, flag)
            self.assertIn("empty", done.stderr)

    def test_tells_an_error_before_the_run_as_json_too(self):
        done = self.beluga("run", "--json", "-m", "opnai/x", "hello")
        self.assertEqual(done.returncode, 2)
        event = json.loads(done.stdout)
        self.assertEqual((event["type"], event["error"]["code"]), ("error", "not_found"))

    def test_the_last_line_says_why_a_run_failed(self):
        done = self.beluga("run", "-m", "offline", "--max-steps", "1", "What is the default pressure of the pump?")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr.splitlines()[-1], "^beluga: resource_exhausted: .*raise --max-steps")


class Streams(Home):
    QUESTION = "What is the default pressure of the pump?"

    def shell(self, command, timeout=60):
        return subprocess.run(["sh", "-c", f'b={BELUGA}; q="{self.QUESTION}"; {command}'], env=self.env, cwd=self.root,
                              capture_output=True, text=True, timeout=timeout)

    def test_an_unwritable_stderr_loses_the_notes_alone(self):
        for broken in ("2>/dev/full", "2>&-"):
            done = self.shell(f'exec "$b" run -m offline "$q" {broken}')
            self.assertEqual(done.returncode, 0)
            self.assertIn("3.5 bar", done.stdout)
        self.assertEqual(self.shell('exec "$b" run -m xx/y hi 2>/dev/full').returncode, 2)

    def test_an_unwritable_stdout_is_an_error_that_is_told(self):
        for broken in (">/dev/full", ">&-"):
            for command in ('run -m offline "$q"', "models", "--help"):
                done = self.shell(f'exec "$b" {command} {broken}')
                self.assertEqual(done.returncode, 1, command)
                self.assertIn("cannot write to stdout", done.stderr)

    def test_a_closed_stdin_is_an_empty_one(self):
        self.assertEqual(self.shell('exec "$b" run -m offline - <&-').returncode, 2)
        self.assertEqual(self.shell('exec "$b" chat -m offline <&-').returncode, 0)

    def test_stops_reading_a_question_that_is_too_long(self):
        done = self.shell('exec "$b" run -m offline - </dev/zero')
        self.assertEqual(done.returncode, 2)
        self.assertIn("16 MiB", done.stderr)

    def test_ctrl_c_while_the_question_is_read_asks_nothing(self):
        process = subprocess.Popen([BELUGA, "run", "-m", "offline", "-"], env=self.env, cwd=self.root,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdin.write(b"What is 2 + 3")
        process.stdin.flush()
        left = bytearray(4)
        end = time.monotonic() + 30
        while fcntl.ioctl(process.stdin, termios.FIONREAD, left) == 0 and any(left) and time.monotonic() < end:
            time.sleep(0.01)  # until it has read the first half
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        self.assertEqual((process.returncode, out), (130, b""), err)


class SilentServer(http.server.BaseHTTPRequestHandler):
    """Starts an answer and then says nothing more."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        chunk = {"id": "1", "model": "m", "choices": [{"index": 0, "delta": {"content": "Half an "}}]}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.flush()
        self.server.streaming.set()
        try:
            while self.rfile.read(1):
                pass
        except OSError:
            pass
        self.server.closed.set()

    def log_message(self, *_):
        pass


class Cancel(Home):
    def setUp(self):
        super().setUp()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), SilentServer)
        self.server.daemon_threads = True
        self.server.streaming = threading.Event()
        self.server.closed = threading.Event()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.env["OPENAI_API_KEY"] = "sk-test"
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()
        super().tearDown()

    def start(self, *args, verb="run", **streams):
        return subprocess.Popen([BELUGA, verb, "-m", "openai/m", "--base-url", self.url, *args],
                                env={**self.env, "TERM": "dumb"}, cwd=self.root,
                                **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **streams})

    def read_half(self, terminal):
        seen = b""
        while b"Half an " not in seen:
            seen += os.read(terminal, 64)

    def test_ctrl_c_aborts_the_request_and_says_what_was_kept(self):
        ours, theirs = pty.openpty()
        process = self.start("--session", "kept", "hello", stdout=theirs)
        os.close(theirs)
        self.read_half(ours)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        os.close(ours)
        self.assertEqual(process.returncode, 130, err)
        self.assertIn("Ctrl-C", err)
        self.assertIn("kept in session 'kept'", err)
        self.assertTrue(self.server.closed.wait(60), "the request was not aborted on the wire")
        sessions = self.beluga("sessions")
        self.assertIn("kept", sessions.stdout)

    def test_a_timeout_ends_the_run_with_124(self):
        process = self.start("--timeout", "300ms", "hello")
        _, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 124, err)
        self.assertIn("raise --timeout", err)

    def test_signals_that_end_a_process_end_run_and_chat(self):
        for verb, sent, code in (("run", signal.SIGTERM, 143), ("run", signal.SIGHUP, 129),
                                 ("chat", signal.SIGTERM, 143), ("chat", signal.SIGHUP, 129)):
            with self.subTest(verb=verb, signal=sent):
                self.server.streaming.clear()
                process = self.start(*(["hello"] if verb == "run" else []), verb=verb, stdin=subprocess.PIPE)
                if verb == "chat":
                    process.stdin.write("hello\n")
                    process.stdin.flush()  # and it stays open: another question could follow
                self.assertTrue(self.server.streaming.wait(30))
                process.send_signal(sent)
                self.assertEqual(process.wait(timeout=60), code)
                process.communicate()

    def test_sigterm_ends_a_chat_that_waits_for_a_question(self):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(BELUGA, [BELUGA, "chat", "-m", "offline"], {**self.env, "TERM": "xterm"})
        seen = b""
        while b"you> " not in seen:
            seen += os.read(terminal, 4096)
        os.kill(pid, signal.SIGTERM)
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(status), 143)


class BreakingServer(http.server.BaseHTTPRequestHandler):
    """Breaks off its first answer in the middle."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.server.requests += 1
        whole = self.server.requests > 1
        for text in ("Half an ", "answer") if whole else ("Half an ",):
            self.event({"choices": [{"index": 0, "delta": {"content": text}}]})
        if whole:
            self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            self.wfile.write(b"data: [DONE]\n\n")

    def event(self, chunk):
        self.wfile.write(f"data: {json.dumps({'id': '1', 'model': 'm', **chunk})}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *_):
        pass


class Breaks(Home):
    def test_a_file_gets_the_answer_without_the_attempt_that_broke_off(self):
        with http.server.HTTPServer(("127.0.0.1", 0), BreakingServer) as server:
            server.requests = 0
            threading.Thread(target=server.serve_forever, daemon=True).start()
            done = self.beluga("run", "-m", "openai/m", "--base-url", f"http://127.0.0.1:{server.server_port}/v1", "hello",
                               env={"OPENAI_API_KEY": "sk-test"})
            server.shutdown()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, "Half an answer\n")
        self.assertIn("starts again", done.stderr)
        self.assertIn("tokens unknown", done.stderr)


class Chat(Home):
    def test_keeps_a_session_over_a_restart(self):
        first = self.beluga("chat", "-m", "offline", "--session", "s", stdin="What is the default pressure of the pump?\n")
        self.assertIn("3.5 bar", first.stdout)
        self.assertIn("new session", first.stderr)
        second = self.beluga("chat", "-m", "offline", "--session", "s", stdin="/exit\n")
        self.assertRegex(second.stderr, r"goes on after \d+ messages")
        mode = os.stat(os.path.join(self.home, "beluga.db")).st_mode & 0o777
        self.assertEqual(mode, 0o600)

    def test_says_which_home_cannot_be_written(self):
        blocked = os.path.join(self.dir.name, "blocked")
        with open(blocked, "w"):
            pass  # a file where a folder must be: also root cannot write below it
        done = self.beluga("chat", "-m", "offline", "--session", "s", env={"BELUGA_HOME": os.path.join(blocked, "x")})
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("blocked", done.stderr)
        self.assertEqual(self.beluga("run", "-m", "offline", "What is 2 + 3?",
                                     env={"BELUGA_HOME": os.path.join(blocked, "x")}).returncode, 0)

    def test_edits_lines_on_a_terminal(self):
        pid, terminal = self.chat_on_a_terminal()
        self.expect(terminal, b"you> ")
        os.write(terminal, b"What is 17 * 24?\x7f\x7f3?\n")  # backspace twice: 23
        self.expect(terminal, b"391")
        self.expect(terminal, b"you> ")
        self.leaves_with_ctrl_d(pid, terminal)

    def test_takes_letters_beyond_ascii_whatever_the_locale(self):
        for locale in ("C", "C.UTF-8"):
            self.env["LC_ALL"] = locale
            pid, terminal = self.chat_on_a_terminal()
            self.expect(terminal, b"you> ")
            os.write(terminal, "größer als 17 * 23?\n".encode())
            self.expect(terminal, "größer".encode())
            self.expect(terminal, b"391")
            self.leaves_with_ctrl_d(pid, terminal)

    def test_a_conversation_as_json_is_json_alone(self):
        done = self.beluga("chat", "--json", "-m", "offline", stdin="What is 17 * 23?\n/tools\n/help\n/nothing\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        for line in done.stdout.splitlines():
            json.loads(line)
        self.assertIn("calculator", done.stderr)
        self.assertIn("no command /nothing", done.stderr)

    def test_takes_what_is_typed_before_the_prompt_and_during_an_answer(self):
        pid, terminal = self.chat_on_a_terminal()
        os.write(terminal, b"What is 17 * 24?\x7f\x7f3?\n")
        self.expect(terminal, b"391")
        self.leaves_with_ctrl_d(pid, terminal)  # the line of usage and the next prompt are still to come

    def test_shows_each_call_and_its_result_in_one_line_of_the_terminal(self):
        pid, terminal = pty.fork()
        if pid == 0:
            fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
            os.chdir(self.root)
            question = "What is the default pressure of the pump?"
            os.execve(BELUGA, [BELUGA, "run", "-m", "offline", question], {**self.env, "TERM": "xterm"})
        seen = b""
        try:
            while chunk := os.read(terminal, 4096):
                seen += chunk
        except OSError:  # the terminal closes
            pass
        os.waitpid(pid, 0)
        os.close(terminal)
        lines = [line for line in seen.decode().split("\r\n") if re.match("[<>] ", line)]
        self.assertTrue(any(line.endswith("...") for line in lines), lines)
        self.assertLessEqual(max(map(len, lines)), 60)
        calls = [line.split()[1:3] for line in lines if line.startswith("> ")]
        results = [line.split()[1:3] for line in lines if line.startswith("< ")]
        self.assertEqual([number for number, _ in calls], [str(n + 1) for n in range(len(calls))])
        self.assertCountEqual(results, calls)  # each says which call it answers

    def chat_on_a_terminal(self):
        self.seen = b""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.root)
            os.execve(BELUGA, [BELUGA, "chat", "-m", "offline"], {**self.env, "TERM": "xterm"})
        return pid, terminal

    def leaves_with_ctrl_d(self, pid, terminal):
        os.write(terminal, b"\x04")
        with self.assertRaises(OSError, msg="Ctrl-D did not end the conversation"):  # the terminal closes
            self.expect(terminal, b"\0")
        _, status = os.waitpid(pid, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), 0)
        os.close(terminal)

    def expect(self, terminal, wanted):
        end = time.monotonic() + 30
        while wanted not in self.seen:
            ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
            self.assertTrue(ready, f"waited for {wanted!r}, saw {self.seen!r}")
            self.seen += os.read(terminal, 4096)
        self.seen = self.seen.split(wanted, 1)[1]


class Lists(Home):
    def test_lists_what_each_provider_needs(self):
        done = self.beluga("models")
        self.assertIn("OPENAI_API_KEY (not set)", done.stdout)
        self.assertIn("offline", done.stdout)

    def test_offers_http_get_only_with_a_host(self):
        self.assertNotIn("http_get", self.beluga("tools").stdout)
        self.assertIn("http_get", self.beluga("tools", "--allow-host", "example.org").stdout)

    def test_prints_help_and_version(self):
        self.assertIn("run", self.beluga("--help").stdout)
        self.assertRegex(self.beluga("--version").stdout, r"beluga \d+\.\d+\.\d+")
        self.assertEqual(self.beluga("rum", "x").returncode, 2)


if __name__ == "__main__":
    faulthandler.dump_traceback_later(150, exit=True)  # says where, should it ever hang
    unittest.main(verbosity=1)
