import Glibc
import HTTPServer
import Logging
import Synchronization
import Testing

@testable import Volumes

/// A host whose mounts are names in a set, and whose slow places wait until they are let go.
private final class FakeHost: VolumeHost {
    struct State {
        var mounted: Set<String> = []
        var mounts = 0
        var slow: [String: CheckedContinuation<Void, Never>] = [:]
        var slowNames: Set<String> = []
    }
    let state = Mutex(State())

    func inspect(_ path: String) async -> VolumeMachine.Found {
        state.withLock { $0.mounted.contains(path) } ? .mount : .nothing
    }

    func mount(_ record: VolumeRecord, at path: String) async throws(VolumeRefusal) {
        await wait(record.name)
        guard record.options["broken"] == nil else { throw VolumeRefusal("the store is broken") }
        state.withLock {
            #expect(!$0.mounted.contains(path), "mounted twice")
            $0.mounted.insert(path)
            $0.mounts += 1
        }
    }

    func unmount(_ path: String) async throws(VolumeRefusal) {
        await wait(String(path.split(separator: "/").last!))
        _ = state.withLock { $0.mounted.remove(path) }
    }

    func clear(_ path: String) async throws(VolumeRefusal) {}

    private func wait(_ name: String) async {
        await withCheckedContinuation { waiter in
            let isSlow = state.withLock { state in
                guard state.slowNames.contains(name) else { return false }
                state.slow[name] = waiter
                return true
            }
            if !isSlow { waiter.resume() }
        }
    }

    func slowDown(_ name: String) { _ = state.withLock { $0.slowNames.insert(name) } }

    func release(_ name: String) async {
        while true {
            let waiter = state.withLock { state in
                if state.slow[name] != nil { state.slowNames.remove(name) }
                return state.slow.removeValue(forKey: name)
            }
            if let waiter { return waiter.resume() }
            try? await Task.sleep(for: .milliseconds(1))
        }
    }
}

private struct Answer: Equatable {
    var status: Int
    var body: String
    init(_ status: Int, _ body: String) {
        self.status = status
        self.body = body
    }
}

@Suite(.timeLimit(.minutes(1))) struct VolumeDriverTests {
    private let path = "/tmp/pail-volumes-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    private let host = FakeHost()

    private func driver() throws -> VolumeDriver {
        try VolumeDriver(
            folder: VolumeFolder(path), root: "/root-of-mounts", host: host, bootID: "boot",
            logger: Logger(label: "test"),
            patience: .milliseconds(10)
        ) { options throws(VolumeRefusal) in
            guard options["bad"] == nil else { throw VolumeRefusal("a bad option") }
            return ("s3://bucket", [])
        }
    }

    private func name(_ text: String) throws -> VolumeName { try VolumeName(text) }

    private func clean() {
        for file in ["a.json", "b.json", "lock", "x.json", "y.json", "z.json"] { unlink(path + "/" + file) }
        rmdir(path)
    }

    @Test func whatWasAnsweredIsThereAfterARestart() async throws {
        defer { clean() }
        do {
            let driver = try driver()
            try await driver.create(name("a"), options: ["source": "s3://bucket"])
            try await driver.create(name("b"), options: [:])
            #expect(try await driver.mount(name("a"), id: "1").path == "/root-of-mounts/a")
            _ = try await driver.mount(name("a"), id: "2")
            try await driver.unmount(name("a"), id: "1")
            try await driver.remove(name("b"))
            await #expect(throws: VolumeRefusal("a bad option")) {
                try await driver.create(name("b"), options: ["bad": ""])
            }
        }
        let driver = try driver()
        #expect(driver.list().map(\.name) == ["a"])
        let found = try driver.describe(name("a"))
        #expect(found.users == 1)
        #expect(found.mountPoint == "/root-of-mounts/a")
        #expect(found.options == ["source": "s3://bucket"])
        #expect(found.createdAt.hasSuffix("Z"))
        var status = stat()
        #expect(stat(path + "/a.json", &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
    }

    @Test func aSlowVolumeHoldsItsOwnCallsOnly() async throws {
        defer { clean() }
        let driver = try driver()
        try await driver.create(name("a"), options: [:])
        try await driver.create(name("b"), options: [:])
        host.slowDown("a")
        let calls = (0..<8).map { number in Task { try await driver.mount(name("a"), id: "\(number)") } }
        _ = try await driver.mount(name("b"), id: "x")
        #expect(try driver.describe(name("a")).users == 0)
        #expect(try driver.describe(name("b")).users == 1)
        await host.release("a")
        for call in calls { _ = try await call.value }
        #expect(try driver.describe(name("a")).users == 8)
        #expect(host.state.withLock { $0.mounts } == 2)
    }

    @Test func anUnmountAnswersBeforeTheLastByteIsStoredAndTheNextCallWaits() async throws {
        defer { clean() }
        let driver = try driver()
        try await driver.create(name("a"), options: [:])
        _ = try await driver.mount(name("a"), id: "1")
        host.slowDown("a")
        try await driver.unmount(name("a"), id: "1")
        #expect(try driver.describe(name("a")).users == 0)
        let removal = Task { try await driver.remove(name("a")) }
        #expect(try driver.describe(name("a")).users == 0)
        await host.release("a")
        try await removal.value
        #expect(driver.list().isEmpty)
        #expect(host.state.withLock { $0.mounted.isEmpty })
    }

    @Test func aMountThatNobodyWaitedForIsTakenBackUnlessItWasAskedForAgain() async throws {
        defer { clean() }
        let driver = try driver()
        try await driver.create(name("a"), options: [:])
        let first = try await driver.mount(name("a"), id: "1")
        driver.takeBack(first)
        let second = try await driver.mount(name("a"), id: "1")
        // Late, and of a call that another followed.
        driver.takeBack(first)
        _ = try await driver.mount(name("a"), id: "2")
        #expect(try driver.describe(name("a")).users == 2)
        driver.takeBack(second)
        // Two calls by one ID at once: the earlier one's fate is not the later one's.
        host.slowDown("b")
        try await driver.create(name("b"), options: [:])
        async let one = driver.mount(name("b"), id: "1")
        async let two = driver.mount(name("b"), id: "1")
        await host.release("b")
        let grants = try await [one, two].sorted { $0.call < $1.call }
        #expect(grants[0].call < grants[1].call)
        driver.takeBack(grants[0])
        try await driver.create(name("b"), options: [:])
        #expect(try driver.describe(name("b")).users == 1)
        try await driver.unmount(name("a"), id: "2")
        try await driver.remove(name("a"))
    }

    @Test func recordsThatCannotBeUsedAreLeftAlone() async throws {
        defer { clean() }
        #expect(mkdir(path, 0o700) == 0)
        for (file, text) in [("x.json", "{"), ("y.json", #"{"name":"other"}"#)] {
            let descriptor = open(path + "/" + file, O_CREAT | O_WRONLY, 0o600)
            write(descriptor, text, text.utf8.count)
            close(descriptor)
        }
        let driver = try driver()
        #expect(driver.list().isEmpty)
        for text in ["x", "y"] {
            await #expect(throws: VolumeRefusal.self) { try await driver.create(name(text), options: [:]) }
            await #expect(throws: VolumeRefusal.self) { try await driver.remove(name(text)) }
        }
        // One process at a time.
        #expect(throws: VolumeRefusal.self) { try VolumeFolder(path) }
    }

    @Test func callsOfTheProtocolAreAnsweredAsDocumented() async throws {
        defer { clean() }
        let plugin = VolumePlugin(try driver())
        func ask(_ path: String, _ body: String = "", method: String = "POST") async -> Answer {
            let answer = await plugin.answer(
                HTTPRequest(method: method, path: path, body: Array(body.utf8)))
            #expect(answer.contentType == "application/vnd.docker.plugins.v1.1+json")
            return Answer(answer.status, String(decoding: answer.body, as: UTF8.self))
        }
        #expect(await ask("/Plugin.Activate") == Answer(200, #"{"Err":"","Implements":["VolumeDriver"]}"#))
        #expect(
            await ask("/VolumeDriver.Capabilities", "{}")
                == Answer(200, #"{"Capabilities":{"Scope":"local"},"Err":""}"#))
        #expect(await ask("/VolumeDriver.List") == Answer(200, #"{"Err":"","Volumes":[]}"#))
        #expect(await ask("/VolumeDriver.Create", #"{"Name":"a","Opts":null}"#) == Answer(200, #"{"Err":""}"#))
        #expect(
            await ask("/VolumeDriver.Mount", #"{"Name":"a","ID":"1"}"#)
                == Answer(200, #"{"Err":"","Mountpoint":"/root-of-mounts/a"}"#))
        #expect(
            await ask("/VolumeDriver.Path", #"{"Name":"a"}"#)
                == Answer(200, #"{"Err":"","Mountpoint":"/root-of-mounts/a"}"#))
        let got = await ask("/VolumeDriver.Get", #"{"Name":"a"}"#)
        #expect(got.status == 200)
        #expect(got.body.contains(#""Mountpoint":"/root-of-mounts/a","Name":"a","Status":{"users":"1"}"#))
        #expect(await ask("/VolumeDriver.Remove", #"{"Name":"a"}"#).status == 500)
        #expect(await ask("/VolumeDriver.Unmount", #"{"Name":"a","ID":"1"}"#) == Answer(200, #"{"Err":""}"#))
        #expect(await ask("/VolumeDriver.Remove", #"{"Name":"a"}"#) == Answer(200, #"{"Err":""}"#))
        #expect(await ask("/VolumeDriver.Get", #"{"Name":"a"}"#) == Answer(500, #"{"Err":"there is no volume a"}"#))
        #expect(await ask("/VolumeDriver.Create", #"{"Name":"z","Opts":{"broken":""}}"#).status == 200)
        #expect(
            await ask("/VolumeDriver.Mount", #"{"Name":"z","ID":"1"}"#)
                == Answer(500, #"{"Err":"the store is broken"}"#))
        #expect(await ask("/VolumeDriver.Create", "{").status == 500)
        #expect(await ask("/Nothing").status == 404)
        #expect(await ask("/VolumeDriver.List", method: "GET").status == 405)
        #expect(VolumePlugin.tooLarge.status == 413)
    }
}
