import Glibc
import Testing

@testable import pail

/// What a service manager is told, and how it gets there.
@Suite struct ServiceLifeTests {
    private static let second: Int64 = 1_000_000_000

    private func extends(_ lines: [String]) -> Bool { lines.contains("EXTEND_TIMEOUT_USEC=15000000") }

    @Test func aLifeFromTheStartToTheEnd() {
        var life = ServiceLife(now: 0, drainTimeout: 60 * Self.second, watchdog: 10 * Self.second)
        #expect(life.heartbeat(now: 1, isAlive: true) == ["WATCHDOG=1", "EXTEND_TIMEOUT_USEC=15000000"])
        #expect(
            life.ready(now: 2, source: "s3://b", mountPoint: "/mnt/a\nREADY=0")
                == ["READY=1", "STATUS=s3://b is mounted on /mnt/a\\nREADY=0"],
            "a line end in a name would be a message of its own")
        #expect(life.ready(now: 3, source: "s3://b", mountPoint: "/mnt").isEmpty, "told once")
        #expect(life.heartbeat(now: 4, isAlive: true) == ["WATCHDOG=1"])
        #expect(life.heartbeat(now: 5, isAlive: false).isEmpty, "a mount that hangs is not to be kept")
        let end = life.stop(now: 6)
        #expect(end.first == "STOPPING=1" && extends(end))
        #expect(life.stop(now: 7).isEmpty, "told once")
        #expect(life.ready(now: 8, source: "s3://b", mountPoint: "/mnt").isEmpty, "no mount is ready that ends")
        #expect(life.phase == .stopping)
    }

    @Test func moreTimeIsAskedForAsLongAsTheDrainMayTake() {
        var life = ServiceLife(now: 0, drainTimeout: 60 * Self.second, watchdog: nil)
        _ = life.ready(now: 0, source: "s3://b", mountPoint: "/mnt")
        #expect(life.heartbeat(now: 1, isAlive: true).isEmpty, "no watchdog, nothing to say")
        let start = 1000 * Self.second
        _ = life.stop(now: start)
        #expect(extends(life.heartbeat(now: start + 89 * Self.second, isAlive: true)))
        #expect(!extends(life.heartbeat(now: start + 91 * Self.second, isAlive: true)), "60 s and 30 s of grace")
        #expect(!extends(life.heartbeat(now: start + 1, isAlive: false)))
        var patient = ServiceLife(now: 0, drainTimeout: 0, watchdog: nil)
        _ = patient.stop(now: 0)
        #expect(extends(patient.heartbeat(now: .max, isAlive: true)), "0 is without limit")
    }

    @Test func whatIsSaidOnceMustNotBeLost() {
        var life = ServiceLife(now: 0, drainTimeout: 0, watchdog: 1)
        let ready = life.ready(now: 0, source: "s3://b", mountPoint: "/mnt")
        #expect(ready.filter(ServiceLife.isLasting) == ["READY=1"])
        #expect(life.heartbeat(now: 0, isAlive: true).filter(ServiceLife.isLasting).isEmpty)
        #expect(life.stop(now: 0).filter(ServiceLife.isLasting) == ["STOPPING=1"])
    }

    @Test func theWatchdogIsFedTwiceInItsTime() {
        func interval(_ watchdog: Int64?) -> Int64 {
            ServiceLife(now: 0, drainTimeout: 0, watchdog: watchdog).interval
        }
        #expect(interval(nil) == 5 * Self.second)
        #expect(interval(30 * Self.second) == 5 * Self.second)
        #expect(interval(3 * Self.second) == 3 * Self.second / 2)
        #expect(interval(1) == 1_000_000, "no loop without a pause")
        #expect(interval(-1) == 5 * Self.second)
        #expect(ServiceLife.beat * 3 <= ServiceLife.step, "two messages may be late")
    }

    @Test func theWatchdogsTimeIsThatOfThisProcess() {
        #expect(ServiceNotifier.watchdog(["WATCHDOG_USEC": "30000000"], process: 7) == 30 * Self.second)
        #expect(ServiceNotifier.watchdog(["WATCHDOG_USEC": "1", "WATCHDOG_PID": "7"], process: 7) == 1000)
        #expect(ServiceNotifier.watchdog(["WATCHDOG_USEC": "1", "WATCHDOG_PID": "8"], process: 7) == nil)
        for text in ["", "0", "-1", "x", "9223372036854775807"] {
            #expect(ServiceNotifier.watchdog(["WATCHDOG_USEC": text], process: 7) == nil, "\(text)")
        }
    }

    /// A manager's socket in a folder or in the abstract namespace; what it takes is one message a datagram.
    @Test(arguments: ["/tmp/pail-notify-\(getpid())", "@pail-notify-\(getpid())"])
    func messagesReachTheSocket(name: String) throws {
        let manager = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        try #require(manager >= 0)
        defer { close(manager) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = name.first == "@" ? [0] + Array(name.utf8.dropFirst()) : Array(name.utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(
            MemoryLayout.offset(of: \sockaddr_un.sun_path)! + bytes.count + (name.first == "@" ? 0 : 1))
        if name.first == "/" { unlink(name) }
        defer { if name.first == "/" { unlink(name) } }
        let isBound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(manager, $0, length) == 0 }
        }
        try #require(isBound, "\(errno)")
        let socket = try #require(ServiceSocket(environment: ["NOTIFY_SOCKET": name]))
        #expect(socket.send(["READY=1", "STATUS=here"]))
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = recv(manager, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        #expect(String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self) == "READY=1\nSTATUS=here")
        #expect(socket.send([]))
        #expect(recv(manager, &buffer, buffer.count, Int32(MSG_DONTWAIT)) < 0, "nothing to say is no message")
    }

    @Test func noManagerIsNoFailure() {
        for name in ["", "@", "/", "relative", "vsock:2:1"] {
            #expect(ServiceSocket(environment: ["NOTIFY_SOCKET": name]) == nil, "\(name)")
        }
        #expect(ServiceSocket(environment: [:]) == nil)
        #expect(ServiceSocket(environment: ["NOTIFY_SOCKET": "/nowhere/at/all"])?.send(["READY=1"]) == false)
        let long = "/" + String(repeating: "x", count: 200)
        #expect(ServiceSocket(environment: ["NOTIFY_SOCKET": long])?.send(["READY=1"]) == false)
    }
}
