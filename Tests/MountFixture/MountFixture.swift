import FileSystem
import Glibc
import Logging
import Mount

/// Mounts a ``MemoryFileSystem`` in a process of its own, for tests of signals and of processes that are killed.
///
/// Usage: `MountFixture MOUNTPOINT [delay=MS] [drain=MS] [undrained=N] [timeout=MS]`. Writes `ready` once the mount answers,
/// `hangup` upon SIGHUP, and how it ended; exits 0 if all is stored, 3 if not, 1 if it cannot mount.
@main
struct MountFixture {
    /// At once, as the test waits for the line; Swift's print would keep it in a buffer.
    static func say(_ line: String) {
        _ = Array("\(line)\n".utf8).withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
    }

    static func main() {
        SignalSource.block()
        var numbers: [String: Int] = [:]
        for argument in CommandLine.arguments.dropFirst(2) {
            let parts = argument.split(separator: "=")
            if parts.count == 2 { numbers[String(parts[0])] = Int(parts[1]) }
        }
        let fileSystem = MemoryFileSystem(
            delay: numbers["delay"].map { .milliseconds($0) }, drainTime: .milliseconds(numbers["drain"] ?? 0),
            undrained: numbers["undrained"] ?? 0)
        fileSystem.addFile(MemoryFileSystem.endless, data: Array("x".utf8))
        fileSystem.addFile(FileName("hello")!, data: Array("hello, world\n".utf8))
        do {
            let mount = try FuseMount(
                fileSystem: fileSystem, mountPoint: CommandLine.arguments[1],
                options: FuseMountOptions(
                    source: "memory,1", allowsNonEmpty: false, threads: 2,
                    drainTimeout: .milliseconds(numbers["timeout"] ?? 10_000)),
                logger: Logger(label: "fixture", factory: { StreamLogHandler.standardError(label: $0) }))
            let end = try mount.run(onHangUp: { say("hangup") }, onReady: { say("ready") })
            say("end \(end.cause) \(end.undrainedFiles.map(String.init) ?? "unknown")")
            exit(end.isComplete ? 0 : 3)
        } catch {
            say("failed: \(error)")
            exit(1)
        }
    }
}
