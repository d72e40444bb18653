import FileSystem
import Glibc
import Logging
import Measuring
import Mount

/// Mounts a ``NullFileSystem`` and measures reading and writing through it: `NullFuse MOUNTPOINT [json] [async] [direct] [threads=N]`.
///
/// What it shows is the kernel's own cost, and that of Pail's kernel side: nothing that is mounted can be faster here.
@main
struct NullFuse {
    static let size: Int64 = 4 << 30

    static func main() throws {
        SignalSource.block()
        guard CommandLine.arguments.count >= 2 else {
            print("usage: NullFuse MOUNTPOINT [json] [async] [direct] [threads=N]")
            exit(2)
        }
        let words = CommandLine.arguments.dropFirst(2)
        let threads = words.compactMap { $0.hasPrefix("threads=") ? Int($0.dropFirst(8)) : nil }.first
        let mount = try FuseMount(
            fileSystem: NullFileSystem(
                size: size, isAsynchronous: words.contains("async"), isDirect: words.contains("direct")),
            mountPoint: CommandLine.arguments[1],
            options: FuseMountOptions(source: "null", threads: threads ?? FuseMountOptions.defaultThreads),
            logger: Logger(label: "null", factory: { StreamLogHandler.standardError(label: $0) }))
        let path = mount.mountPoint + "/data"
        let work = KernelWork(Measuring(isJSON: words.contains("json")))
        let hasFailed = Flag()
        _ = try mount.run {
            do {
                try work.read("read 1 MiB", path, block: 1 << 20, bytes: 2 << 30)
                try work.write("write 1 MiB", path, block: 1 << 20, bytes: 1 << 30)
                try work.write("write 4 KiB", path, block: 4 << 10, bytes: 256 << 20)
            } catch {
                print(error)
                hasFailed.raise()
            }
            mount.stop()
        }
        if hasFailed.isRaised { exit(1) }
    }
}
