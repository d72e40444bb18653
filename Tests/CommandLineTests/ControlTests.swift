import Glibc
import Testing

@testable import pail

/// What commands and a mount's process say to each other, and what a person sees of it.
@Suite struct ControlTests {
    private let status = MountStatus(
        source: "s3://b", mountPoint: "/mnt/b", endpoint: "http://127.0.0.1:1", pid: 7, version: "0", uptime: 7300,
        mode: "write-back", isReadOnly: true, waitingRequests: 2, memoryUsed: 1 << 20, memoryLimit: 256 << 20,
        inodes: 12, residentMemory: 27_500_000,
        requests: .init(
            total: 3, byOperation: ["PutObject": 3], retries: 1, failures: 0, bytesSent: 1_000_000_000,
            bytesReceived: 999),
        pending: .init(
            changes: 25, bytes: 5 << 30, oldestAge: 60,
            first: (0..<25).map { .init(kind: "put", key: "k\n\($0)", bytes: 1, age: 1, attempts: 3, lastError: "no") },
            kept: [.init(key: "lost", bytes: 10, reason: "changed elsewhere")]))

    @Test func messagesSurviveTheWay() throws {
        var reply = ControlReply()
        reply.status = status
        reply.done = 0
        let line = ControlLine.encode(reply)
        #expect(line.last == UInt8(ascii: "\n"))
        #expect(line.filter { $0 == UInt8(ascii: "\n") }.count == 1, "a name's line end must not end the line")
        #expect(ControlLine.decode(ControlReply.self, line.dropLast()) == reply)
        let request = ControlRequest(command: .sync, path: "a \"b\"/\u{1F600}")
        #expect(ControlLine.decode(ControlRequest.self, ControlLine.encode(request).dropLast()) == request)
    }

    @Test func whatIsNoRequestIsNone() {
        for text in ["", "{}", "{\"command\":\"format\"}", "{\"command\":\"sync\",\"path\":7}", "status"] {
            #expect(ControlLine.decode(ControlRequest.self, Array(text.utf8)) == nil, "\(text)")
        }
        // A newer command's further fields are passed over.
        #expect(
            ControlLine.decode(ControlRequest.self, Array("{\"command\":\"status\",\"depth\":1}".utf8))
                == ControlRequest(command: .status))
    }

    @Test func theTableSaysWhatWaits() {
        let lines = StatusTable(status: status).lines
        let text = lines.joined(separator: "\n")
        for part in [
            "s3://b at http://127.0.0.1:1", "/mnt/b, read-only", "write-back", "7, pail 0, up 2.0 h",
            "1.0 MiB of 256 MiB in use; 26.2 MiB resident", "25 changes, 5.0 GiB, the oldest for 60 s",
            "3, 1 retries, 0 failed", "999 B received, 954 MiB sent", "… and 5 more", "lost  10 B  changed elsewhere",
            "tried 3 times: no",
        ] { #expect(text.contains(part), "\(part) in:\n\(text)") }
        #expect(lines.allSatisfy { !$0.contains("\n") }, "a key's line end must not end the line")
        var idle = status
        idle.pending = .init()
        #expect(StatusTable(status: idle).lines.contains { $0.hasSuffix("nothing") })
    }

    @Test func bytesAreShownInThreeDigits() {
        let shown: [(Int64, String)] = [
            (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (1 << 20, "1.0 MiB"),
            (150 << 20, "150 MiB"), (1 << 30, "1.0 GiB"), (3 << 40, "3.0 TiB"),
        ]
        for (bytes, text) in shown { #expect(ByteText.short(bytes) == text) }
    }

    @Test func aSocketIsFoundByTheMountsDevice() {
        #expect(ControlAddress.directory(uid: 0, environment: ["XDG_RUNTIME_DIR": "/x"]) == "/run/pail")
        #expect(ControlAddress.directory(uid: 7, environment: ["XDG_RUNTIME_DIR": "/x"]) == "/x/pail")
        #expect(ControlAddress.directory(uid: 7, environment: ["XDG_RUNTIME_DIR": "x"]) == "/tmp/pail-7")
        #expect(ControlAddress.candidates(for: "0:57", uid: 7, environment: [:]).first == "/tmp/pail-7/0:57.sock")
        #expect(ControlAddress.withSocketAddress(String(repeating: "x", count: 108)) { _, _ in true } == nil)
        #expect(ControlAddress.withSocketAddress(String(repeating: "x", count: 107)) { _, _ in true } == true)
    }
}
