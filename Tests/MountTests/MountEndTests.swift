import CFuse
import FileSystem
import Glibc
import SystemPackage
import Testing

@testable import Mount
@testable import MountFixture

extension ThroughTheKernel {
    /// How mounts begin and end: mount points, signals, unmounts from outside, dead mounts.
    @Suite struct MountEndTests {
        /// Runs `body` with a mount point and the fixture mounted on it.
        private func withFixture(
            _ arguments: [String], _ body: @escaping @Sendable (_ root: String, _ child: Child) throws -> Void
        ) async throws {
            try await onThread {
                let root = try makeTemporaryDirectory()
                defer { removeMountPoint(root) }
                let child = try Child.fixture([root] + arguments)
                try #require(child.line() == "ready")
                try body(root, child)
            }
        }

        @Test(arguments: [SIGINT, SIGTERM]) func signalsDrainAndUnmount(signal: Int32) async throws {
            try await withFixture(["drain=300"]) { root, child in
                kill(child.pid, SIGHUP)
                #expect(child.line() == "hangup")
                kill(child.pid, signal)
                usleep(100_000)
                // Draining: served still, but not opened for writing.
                let content = try readAll(root + "/hello")
                #expect(content == Array("hello, world\n".utf8))
                #expect(
                    open(root + "/new", O_WRONLY | O_CREAT, 0o600) == -1 && Errno.last == Errno(rawValue: ESHUTDOWN))
                #expect(child.line() == "end signal \(signal) 0")
                #expect(child.wait() == 0)
                #expect(!MountTable.hasMount(at: root))
            }
        }

        @Test func aSecondSignalEndsTheDrain() async throws {
            try await withFixture(["drain=60000", "timeout=60000"]) { root, child in
                kill(child.pid, SIGTERM)
                usleep(100_000)
                kill(child.pid, SIGINT)
                #expect(child.line() == "end signal 15 1")
                #expect(child.wait() == 3)
                #expect(!MountTable.hasMount(at: root))
            }
        }

        @Test func theDrainsTimeoutEndsIt() async throws {
            try await withFixture(["drain=60000", "timeout=200"]) { root, child in
                kill(child.pid, SIGTERM)
                #expect(child.line() == "end signal 15 1")
                #expect(child.wait() == 3)
            }
        }

        @Test func unmountFromOutsideEndsIt() async throws {
            try await withFixture(["drain=50"]) { root, child in
                try unmount(root, lazy: false)
                #expect(child.line() == "end unmounted 0")
                #expect(child.wait() == 0)
            }
        }

        @Test func aMountInUseIsDetached() async throws {
            try await withFixture([]) { root, child in
                let file = try check("open", open(root + "/hello", O_RDONLY))
                defer { close(file) }
                #expect(throws: MountError.busy(root)) { try unmount(root, lazy: false) }
                let reader = try Child(["cat", root + "/endless"])
                usleep(100_000)
                kill(child.pid, SIGTERM)
                #expect(child.line() == "end signal 15 0")
                #expect(child.wait() == 0)
                #expect(!MountTable.hasMount(at: root))
                // The reader got an error instead of waiting for ever.
                #expect(reader.wait() == 1)
            }
        }

        @Test func deadMountsAreCleaned() async throws {
            try await withFixture([]) { root, child in
                kill(child.pid, SIGKILL)
                _ = child.wait()
                // stat(2) may still be answered from the kernel's memory.
                #expect(open(root, O_RDONLY | O_DIRECTORY) == -1 && Errno.last == .socketNotConnected)
                let second = try Child.fixture([root])
                #expect(second.line() == "ready")
                #expect(try readAll(root + "/hello") == Array("hello, world\n".utf8))
                kill(second.pid, SIGTERM)
                #expect(second.wait() == 0)
                #expect(!MountTable.hasMount(at: root))
            }
        }

        @Test func stackedDeadMountsAreCleaned() async throws {
            try await withFixture([]) { root, child in
                // A bind mount of the mount on itself is a second mount to be removed.
                try check("mount", mount(root, root, nil, UInt(MS_BIND), nil))
                kill(child.pid, SIGKILL)
                _ = child.wait()
                let point = try MountPoint.prepare(root, allowsNonEmpty: false, logger: testLogger())
                #expect(point.path == root && !MountTable.hasMount(at: root))
            }
        }

        @Test func mountPointsAreChecked() async throws {
            try await withFixture([]) { root, child in
                func prepare(_ path: String, nonEmpty: Bool = false) throws(MountError) -> MountPoint {
                    try MountPoint.prepare(path, allowsNonEmpty: nonEmpty, logger: testLogger())
                }
                #expect(throws: MountError.alreadyMounted(root, source: "memory,1", type: "fuse.pail")) {
                    try prepare(root)
                }
                #expect(throws: MountError.mountPointMissing("/nonexistent/x")) { try prepare("/nonexistent/x") }
                #expect(throws: MountError.mountPointNotDirectory("/etc/passwd")) { try prepare("/etc/passwd") }
                #expect(throws: MountError.mountPointNotEmpty("/etc")) { try prepare("/etc") }
                let etc = try prepare("/etc", nonEmpty: true)
                #expect(etc.path == "/etc")
                #expect(throws: MountError.notMounted("/etc")) { try unmount("/etc", lazy: false) }
                kill(child.pid, SIGTERM)
                _ = child.wait()
                let free = try prepare(root + "/.")
                #expect(free.path == root)
            }
        }

        @Test func optionsThatLibfuseDoesNotTakeAreAnError() async throws {
            try await onThread {
                let root = try makeTemporaryDirectory()
                defer { removeMountPoint(root) }
                #expect(throws: MountError.self) {
                    _ = try FuseMount(
                        fileSystem: MemoryFileSystem(), mountPoint: root,
                        options: FuseMountOptions(extraOptions: ["nosuchoption"], handlesSignals: false),
                        logger: testLogger())
                }
                #expect(!MountTable.hasMount(at: root))
            }
        }

        /// A file system that cannot answer for its root is no mount.
        @Test func aMountThatIsNeverServedGoesAway() async throws {
            try await onThread {
                let root = try makeTemporaryDirectory()
                defer { removeMountPoint(root) }
                var mount: FuseMount? = try FuseMount(
                    fileSystem: MemoryFileSystem(), mountPoint: root,
                    options: FuseMountOptions(handlesSignals: false), logger: testLogger())
                #expect(MountTable.hasMount(at: root))
                #expect(mount?.pendingRequests == 0)
                mount = nil
                #expect(!MountTable.hasMount(at: root))
            }
        }
    }
}
