import FileSystem
import Glibc
import Logging
import Measuring
import Mount
import ObjectStore
import ObjectStoreTesting

/// Pail's file system over a store in memory, which answers at once: what Pail itself costs.
///
///     InMemory alone [json] [size=MIB] [files=N]       without the kernel, with allocations
///     InMemory MOUNTPOINT [json] [size=MIB] [files=N]  mounted
@main
struct InMemory {
    /// What is in the store, and how much of it is done.
    struct Plan {
        var size = 1 << 30
        var files = 10_000
    }

    static func main() async throws {
        SignalSource.block()
        let words = Array(CommandLine.arguments.dropFirst())
        guard let first = words.first else {
            print("usage: InMemory alone|MOUNTPOINT [json] [size=MIB] [files=N]")
            exit(2)
        }
        func number(_ name: String) -> Int? {
            words.compactMap { $0.hasPrefix(name + "=") ? Int($0.dropFirst(name.count + 1)) : nil }.first
        }
        let plan = Plan(size: (number("size") ?? 1024) << 20, files: number("files") ?? 10_000)
        let measure = Measuring(isJSON: words.contains("json"))
        let store = InMemoryStore()
        fill(store, plan)
        var options = FileSystemOptions()
        // What is measured is the way from memory to the caller, not how often the store is asked again.
        options.attributeTimeout = 3600
        let fileSystem = BucketFileSystem(
            store: store, prefix: "", options: options,
            logger: log())
        if first == "alone" {
            Measuring.checkCounting()
            try await FileSystemAlone(fileSystem: fileSystem, measure: measure, plan: plan).run()
        } else {
            try mounted(fileSystem, at: first, measure, plan)
        }
    }

    /// `data` of the plan's size, and a directory `many` of empty files with the headers of files that Pail has written.
    private static func fill(_ store: InMemoryStore, _ plan: Plan) {
        let bytes = [UInt8](unsafeUninitializedCapacity: plan.size) { buffer, count in
            buffer.initialize(repeating: 0x5A)
            count = plan.size
        }
        store.insert(ObjectKey("data"), bytes)
        store.insert(ObjectKey("data2"), bytes)
        let metadata = ObjectMetadata(user: [
            "mode": "33188", "uid": "0", "gid": "0", "mtime": "1700000000", "ctime": "1700000000",
            "atime": "1700000000",
        ])
        for number in 0..<plan.files { store.insert(ObjectKey(name(number, in: "many")), [], metadata: metadata) }
    }

    /// The path of a file among many.
    static func name(_ number: Int, in directory: String) -> String {
        let digits = String(number)
        return directory + "/file-" + String(repeating: "0", count: max(0, 6 - digits.count)) + digits
    }

    private static func mounted(
        _ fileSystem: BucketFileSystem, at point: String, _ measure: Measuring, _ plan: Plan
    ) throws {
        let mount = try FuseMount(
            fileSystem: fileSystem, mountPoint: point, options: FuseMountOptions(source: "memory"),
            logger: log())
        let work = KernelWork(measure)
        let hasFailed = Flag()
        _ = try mount.run {
            do {
                let path = mount.mountPoint
                try work.read("read 1 MiB", path + "/data", block: 1 << 20, bytes: plan.size)
                try work.write(
                    "write 1 MiB", path + "/written", block: 1 << 20, bytes: plan.size, flags: O_CREAT)
                try work.write(
                    "write 4 KiB", path + "/small-writes", block: 4 << 10, bytes: min(plan.size, 256 << 20),
                    flags: O_CREAT)
                dropKernelCaches()
                try work.readAtOnce(
                    "read 1 MiB, two readers", [path + "/data", path + "/data2"], block: 1 << 20, bytes: plan.size)
                dropKernelCaches()
                try work.readAt(
                    "random read 4 KiB", path + "/data", block: 4 << 10, offsets: offsets(10_000, in: plan.size))
                let many = (0..<plan.files).map { path + "/" + name($0, in: "many") }
                try work.stat("stat, first", many)
                try work.stat("stat, again", many)
                guard mkdir(path + "/new", 0o755) == 0 else { throw MountedFailure() }
                try work.makeFiles(
                    "create, write 4 KiB, close", (0..<plan.files).map { path + "/" + name($0, in: "new") })
            } catch {
                print(error)
                hasFailed.raise()
            }
            mount.stop()
        }
        if hasFailed.isRaised { exit(1) }
    }

    /// What goes wrong; not that the mount begins and ends.
    private static func log() -> Logger {
        var logger = Logger(label: "memory", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = .warning
        return logger
    }

    private struct MountedFailure: Error {}

    /// So that the mount is asked again for what it has given the kernel.
    private static func dropKernelCaches() {
        guard let file = fopen("/proc/sys/vm/drop_caches", "w") else { return }
        fputs("3\n", file)
        fclose(file)
    }

    /// Pages at random, the same in each run.
    static func offsets(_ count: Int, in size: Int) -> [Int] {
        var random = SplitMix64(seed: 6)
        return (0..<count).map { _ in Int(random.next() % UInt64(size / 4096)) * 4096 }
    }
}
