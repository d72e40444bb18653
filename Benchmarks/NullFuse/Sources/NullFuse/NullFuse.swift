import Glibc
import Logging
import Mount

/// Mounts a ``NullFileSystem`` and measures reading and writing through it: `NullFuse MOUNTPOINT [async] [direct] [threads=N]`.
/// Prints one line a measurement.
@main
struct NullFuse {
    static let size: Int64 = 4 << 30

    static func main() throws {
        SignalSource.block()
        guard CommandLine.arguments.count >= 2 else {
            print("usage: NullFuse MOUNTPOINT [async] [direct] [threads=N]")
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
        _ = try mount.run {
            report("resident memory, idle", residentMebibytes(), "MiB")
            measure("read 1 MiB", path, O_RDONLY, block: 1 << 20, total: 4 << 30)
            measure("write 1 MiB", path, O_WRONLY, block: 1 << 20, total: 2 << 30)
            measure("write 4 KiB", path, O_WRONLY, block: 4 << 10, total: 256 << 20)
            report("resident memory, after", residentMebibytes(), "MiB")
            mount.stop()
        }
    }

    /// Runs on the thread that `run` gives: no thread that serves the mount.
    static func measure(_ name: String, _ path: String, _ flags: Int32, block: Int, total: Int) {
        let file = open(path, flags)
        guard file >= 0 else { return perror("open") }
        defer { close(file) }
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: block, alignment: 4096)
        memset(buffer, 1, block)
        defer { buffer.deallocate() }
        let start = ContinuousClock.now
        var done = 0
        while done < total {
            let count = flags == O_RDONLY ? read(file, buffer, block) : write(file, buffer, block)
            guard count > 0 else { return perror(name) }
            done += count
        }
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        let time = Double(seconds) + Double(attoseconds) / 1e18
        report(name, Double(done) / time / 1e6, "MB/s")
        report(name, Double(done / block) / time, "calls/s")
    }

    static func report(_ name: String, _ value: Double, _ unit: String) {
        print("\(name): \(Int(value)) \(unit)")
    }

    static func residentMebibytes() -> Double {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 128)
        fgets(&line, 128, file)
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Double($0) } ?? 0
        return pages * Double(sysconf(Int32(_SC_PAGESIZE))) / 1_048_576
    }
}
