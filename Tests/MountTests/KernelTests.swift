import CFuse
import FileSystem
import Glibc
import Synchronization
import SystemPackage
import Testing

@testable import Mount
@testable import MountFixture

/// Tests that mount. One after the other: some count the process's threads and descriptors.
@Suite(.serialized) struct ThroughTheKernel {}

extension ThroughTheKernel {
    /// What programs see of a mounted file system.
    @Suite struct KernelTests {
        /// At once on the FUSE thread, and by tasks.
        static let delays: [Duration?] = [nil, .milliseconds(1)]

        @Test(arguments: delays) func filesAndAttributes(delay: Duration?) async throws {
            let fileSystem = MemoryFileSystem(delay: delay)
            let (end, _) = try await withMount(fileSystem) { root, _ in
                let path = root + "/file"
                #expect(access(path, F_OK) == -1 && Errno.last == .noSuchFileOrDirectory)

                // 3 MiB less 1 in odd pieces.
                let content = (0..<(3 << 20) - 1).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
                let file = try check("open", open(path, O_RDWR | O_CREAT | O_EXCL, 0o640))
                var written = 0
                while written < content.count {
                    let size = min(content.count - written, 1_234_567)
                    written += try content.withUnsafeBytes {
                        try check("write", write(file, $0.baseAddress! + written, size))
                    }
                }
                try check("fsync", fsync(file))
                #expect(try readAll(path) == content)
                var status = stat()
                try check("fstat", fstat(file, &status))
                #expect(status.st_size == content.count && status.st_mode & 0o7777 == 0o640)
                #expect(status.st_blocks == (content.count + 511) / 512 && status.st_nlink == 1)

                try check("ftruncate", ftruncate(file, 100))
                #expect(try readAll(path) == Array(content[..<100]))
                try check("truncate", truncate(path, 200))
                #expect(try readAll(path) == Array(content[..<100]) + [UInt8](repeating: 0, count: 100))
                try check("close", close(file))

                let times = [timespec(tv_sec: 1_000_000_000, tv_nsec: 123_456_789), timespec(tv_sec: -5, tv_nsec: 1)]
                try check("utimensat", utimensat(AT_FDCWD, path, times, 0))
                try check("chmod", chmod(path, 0o4711))
                try check("chown", chown(path, 12, 34))
                try check("stat", stat(path, &status))
                #expect(status.st_atim.tv_sec == 1_000_000_000 && status.st_atim.tv_nsec == 123_456_789)
                #expect(status.st_mtim.tv_sec == -5 && status.st_mtim.tv_nsec == 1)
                #expect(status.st_uid == 12 && status.st_gid == 34)

                let append = try check("open", open(path, O_WRONLY | O_APPEND))
                try check("write", write(append, "tail", 4))
                try check("close", close(append))
                #expect(try readAll(path).suffix(4) == Array("tail".utf8))
                try check("close", close(try check("open", open(path, O_WRONLY | O_TRUNC))))
                #expect(try readAll(path) == [])
            }
            #expect(end == MountEnd(cause: .stopped, undrainedFiles: 0))
            #expect(fileSystem.openHandles == 0)
        }

        @Test(arguments: delays) func names(delay: Duration?) async throws {
            let fileSystem = MemoryFileSystem(delay: delay)
            _ = try await withMount(fileSystem) { root, _ in
                try check("mkdir", mkdir(root + "/d", 0o750))
                #expect(mkdir(root + "/d", 0o750) == -1 && Errno.last == .fileExists)
                try check("close", close(try check("open", open(root + "/d/a", O_WRONLY | O_CREAT, 0o600))))
                #expect(rmdir(root + "/d") == -1 && Errno.last == .directoryNotEmpty)
                try check("rename", rename(root + "/d/a", root + "/b"))
                #expect(access(root + "/d/a", F_OK) == -1)
                try check("access", access(root + "/b", F_OK))
                try check("rmdir", rmdir(root + "/d"))
                #expect(link(root + "/b", root + "/c") == -1 && Errno.last == Errno(rawValue: EOPNOTSUPP))
                try check("symlink", symlink("../else where", root + "/link"))
                #expect(try linkTarget(root + "/link") == "../else where")
                try check("mkfifo", mkfifo(root + "/fifo", 0o600))
                try check("mknod", mknod(root + "/null", S_IFCHR | 0o600, 0x103))
                var status = stat()
                try check("lstat", lstat(root + "/null", &status))
                #expect(status.st_mode & S_IFMT == S_IFCHR && status.st_rdev == 0x103)

                // Unlinked while open.
                let file = try check("open", open(root + "/b", O_RDWR))
                try check("unlink", unlink(root + "/b"))
                try check("write", write(file, "x", 1))
                var byte: UInt8 = 0
                #expect(pread(file, &byte, 1, 0) == 1 && byte == UInt8(ascii: "x"))
                try check("close", close(file))

                // No UTF-8, and too long: the names do not reach the file system.
                #expect(open(root + "/bad", O_RDONLY) == -1 && Errno.last == .noSuchFileOrDirectory)
                var bad = Array((root + "/a").utf8) + [0xFF, 0]
                let result = bad.withUnsafeMutableBytes {
                    open($0.baseAddress!.assumingMemoryBound(to: CChar.self), O_WRONLY | O_CREAT, 0o600)
                }
                #expect(result == -1 && Errno.last == .illegalByteSequence)
                #expect(
                    mkdir(root + "/" + String(repeating: "x", count: 256), 0o700) == -1
                        && Errno.last == .fileNameTooLong)
            }
            #expect(fileSystem.openHandles == 0)
        }

        @Test(arguments: delays) func extendedAttributes(delay: Duration?) async throws {
            _ = try await withMount(MemoryFileSystem(delay: delay)) { root, _ in
                let path = root + "/f"
                try check("close", close(try check("open", open(path, O_WRONLY | O_CREAT, 0o600))))
                try check("setxattr", setxattr(path, "user.one", "1234", 4, 0))
                #expect(setxattr(path, "user.one", "1", 1, 1) == -1 && Errno.last == .fileExists)
                #expect(setxattr(path, "user.two", "1", 1, 2) == -1 && Errno.last == .noData)
                try check("setxattr", setxattr(path, "user.two", "", 0, 0))
                #expect(getxattr(path, "user.one", nil, 0) == 4)
                var buffer = [UInt8](repeating: 0, count: 64)
                #expect(getxattr(path, "user.one", &buffer, 3) == -1 && Errno.last == Errno(rawValue: ERANGE))
                #expect(getxattr(path, "user.one", &buffer, 64) == 4 && buffer[..<4].elementsEqual("1234".utf8))
                #expect(getxattr(path, "user.none", &buffer, 64) == -1 && Errno.last == .noData)
                #expect(listxattr(path, nil, 0) == 18)
                let count = buffer.withUnsafeMutableBytes {
                    listxattr(path, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
                }
                #expect(count == 18 && buffer[..<18].elementsEqual("user.one\0user.two\0".utf8))
                try check("removexattr", removexattr(path, "user.one"))
                #expect(removexattr(path, "user.one") == -1 && Errno.last == .noData)
                #expect(setxattr(path, "security.capability", "x", 1, 0) == -1)
                #expect(getxattr(path, "system.posix_acl_access", &buffer, 64) == -1)
            }
        }

        @Test(arguments: delays) func aDirectoryOfFiveThousand(delay: Duration?) async throws {
            let fileSystem = MemoryFileSystem(delay: delay)
            for number in 0..<5_000 {
                fileSystem.addFile(FileName("file-\(number)-ü")!, data: [UInt8](repeating: 7, count: number % 10))
            }
            _ = try await withMount(fileSystem) { root, _ in
                for _ in 0..<2 {
                    var seen: Set<String> = []
                    var total: Int64 = 0
                    let directory = opendir(root)!
                    while let entry = readdir(directory) {
                        let name = withUnsafePointer(to: &entry.pointee.d_name) {
                            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                        }
                        #expect(seen.insert(name).inserted)
                        guard name.hasPrefix("file-") else { continue }
                        var status = stat()
                        try check("fstatat", fstatat(dirfd(directory), name, &status, 0))
                        #expect(status.st_ino == entry.pointee.d_ino)
                        total += Int64(status.st_size)
                    }
                    closedir(directory)
                    #expect(seen.count == 5_002 && seen.contains(".") && seen.contains(".."))
                    #expect(total == 5_000 * 45 / 10)
                }
                // Seeking back to a place in the middle goes on from there.
                let directory = opendir(root)!
                for _ in 0..<1_000 { _ = readdir(directory) }
                let place = telldir(directory)
                let next = readdir(directory)!.pointee.d_ino
                for _ in 0..<2_000 { _ = readdir(directory) }
                seekdir(directory, place)
                #expect(readdir(directory)!.pointee.d_ino == next)
                closedir(directory)
            }
            #expect(fileSystem.openHandles == 0)
        }

        /// 1 MiB in pieces of 100 bytes is more pieces than one writev(2) takes.
        @Test func readsOfManySegments() async throws {
            let fileSystem = MemoryFileSystem(segmentSize: 100)
            let content = (0..<1_500_000).map { UInt8(truncatingIfNeeded: $0 / 3) }
            fileSystem.addFile(FileName("f")!, data: content)
            _ = try await withMount(fileSystem) { root, _ in
                let cached = try readAll(root + "/f", chunk: 1 << 20)
                let direct = try readAll(root + "/f", chunk: 5_000, flags: directFlag)
                #expect(cached == content && direct == content)
            }
        }

        @Test func missingNamesAreRememberedAsLongAsTheFileSystemSays() async throws {
            for (lifetime, expected) in [(60.0, 1), (0.0, 5)] {
                let fileSystem = MemoryFileSystem(negativeLifetime: lifetime)
                _ = try await withMount(fileSystem) { root, _ in
                    for _ in 0..<5 {
                        #expect(access(root + "/missing", F_OK) == -1 && Errno.last == .noSuchFileOrDirectory)
                    }
                    #expect(fileSystem.refusedLookups == expected)
                    fileSystem.addFile(FileName("missing")!, data: [])
                    fileSystem.notifier.invalidateEntry(parent: .root, name: FileName("missing")!)
                    try eventually { access(root + "/missing", F_OK) == 0 }
                }
            }
        }

        /// Page cache: kept over close and open and our own writes, gone when the file system says so.
        @Test func cachedPagesGoWhenToldTo() async throws {
            let fileSystem = MemoryFileSystem()
            fileSystem.addFile(FileName("f")!, data: Array("old".utf8))
            _ = try await withMount(fileSystem) { root, _ in
                #expect(try readAll(root + "/f") == Array("old".utf8))
                let node = fileSystem.replaceContent(of: FileName("f")!, by: Array("new".utf8))
                #expect(try readAll(root + "/f") == Array("old".utf8))
                fileSystem.notifier.invalidateInode(node, offset: 0, length: 0)
                try eventually { try readAll(root + "/f") == Array("new".utf8) }
                // The kernel knows nothing of it: tolerated.
                fileSystem.notifier.invalidateInode(NodeID(rawValue: 99_999), offset: 0, length: 0)
                fileSystem.notifier.invalidateEntry(parent: .root, name: FileName("nobody")!)
            }
        }

        /// A handle that cannot write sends no FLUSH.
        @Test func flushesOnlyFromWriters() async throws {
            let fileSystem = MemoryFileSystem()
            fileSystem.addFile(FileName("f")!, data: [1])
            _ = try await withMount(fileSystem) { root, _ in
                try check("close", close(try check("open", open(root + "/f", O_RDONLY))))
                #expect(fileSystem.flushes == 0)
                let file = try check("open", open(root + "/f", O_RDWR))
                try check("close", close(try check("dup", dup(file))))
                #expect(fileSystem.flushes == 1)
                try check("close", close(file))
                #expect(fileSystem.flushes == 2)
            }
        }

        @Test func descriptorProbeSeesOtherDescriptors() async throws {
            try await onThread {
                var pipes: [Int32] = [-1, -1]
                try check("pipe", pipe(&pipes))
                var status = stat()
                try check("fstat", fstat(pipes[0], &status))
                let inode = UInt64(status.st_ino)
                #expect(DescriptorProbe.hasOtherDescriptors(pid: getpid(), inode: inode))
                close(pipes[0])
                close(pipes[1])
                #expect(!DescriptorProbe.hasOtherDescriptors(pid: getpid(), inode: inode))
                #expect(!DescriptorProbe.hasOtherDescriptors(pid: 0, inode: inode))
                #expect(!DescriptorProbe.hasOtherDescriptors(pid: .max, inode: inode))
            }
        }

        /// A program that waits in a direct read for what never comes can be killed, by SIGINT and by SIGKILL, and the verb ends.
        @Test(arguments: [SIGINT, SIGKILL]) func interruptedDirectReads(signal: Int32) async throws {
            let fileSystem = MemoryFileSystem()
            fileSystem.addFile(MemoryFileSystem.endless, data: [1])
            _ = try await withMount(fileSystem) { root, mount in
                let child = try Child(["dd", "if=\(root)/endless", "iflag=direct", "bs=4096", "status=none"])
                try eventually { mount.pendingRequests > 0 }
                kill(child.pid, signal)
                #expect(child.wait() == -signal)
                try eventually { mount.pendingRequests == 0 && fileSystem.openHandles == 0 }
                #expect(fileSystem.interrupted >= 1)
            }
        }

        /// The same through the page cache. The kernel sends such reads as readahead, for no program in particular: it frees the
        /// killed program but never interrupts the request, which ends with the mount at the latest.
        @Test(arguments: [SIGINT, SIGKILL]) func interruptedCachedReads(signal: Int32) async throws {
            let fileSystem = MemoryFileSystem()
            fileSystem.addFile(MemoryFileSystem.endless, data: [1])
            _ = try await withMount(fileSystem, awaitsRelease: false) { root, mount in
                let child = try Child(["cat", root + "/endless"])
                try eventually { mount.pendingRequests > 0 }
                kill(child.pid, signal)
                #expect(child.wait() == -signal)
            }
            #expect(fileSystem.interrupted == 1)
        }

        @Test(arguments: delays) func sixteenThreadsAtOnce(delay: Duration?) async throws {
            let fileSystem = MemoryFileSystem(delay: delay)
            _ = try await withMount(fileSystem, threads: 3) { root, _ in
                let failures = Mutex<[String]>([])
                let threads = try (0..<16).map { number in
                    try PosixThread(name: "load-\(number)") {
                        do {
                            let directory = "\(root)/\(number)"
                            try check("mkdir", mkdir(directory, 0o700))
                            for round in 0..<20 {
                                let content = [UInt8](repeating: UInt8(number), count: 1 + round * 7_919)
                                let file = try check("open", open("\(directory)/\(round)", O_WRONLY | O_CREAT, 0o600))
                                try check("write", write(file, content, content.count))
                                try check("close", close(file))
                                guard try readAll("\(directory)/\(round)") == content else { throw Errno.ioError }
                                try check("rename", rename("\(directory)/\(round)", "\(root)/shared"))
                            }
                            try check("rmdir", rmdir(directory))
                        } catch { failures.withLock { $0.append("\(number): \(error)") } }
                    }
                }
                for thread in threads { thread.join() }
                #expect(failures.withLock { $0 } == [])
            }
            #expect(fileSystem.openHandles == 0)
        }

        @Test func twentyMountsLeaveNothing() async throws {
            _ = try await withMount(MemoryFileSystem()) { _, _ in }
            // The pool's threads come and stay: let them all come first.
            let before = try await onThread { try FileDescriptorPath.counts() }
            for round in 0..<20 {
                let fileSystem = MemoryFileSystem(delay: round % 2 == 0 ? nil : .milliseconds(1))
                let (end, _) = try await withMount(fileSystem) { root, _ in
                    try check("mkdir", mkdir(root + "/x", 0o700))
                }
                #expect(end.isComplete)
            }
            // The last round's thread may still be letting go of what it had. Two threads more: Swift's pool, not ours.
            try await onThread {
                try eventually {
                    let after = try FileDescriptorPath.counts()
                    return after.descriptors <= before.descriptors && after.threads <= before.threads + 2
                }
            }
        }
    }

}

/// `O_DIRECT`, which Glibc's module leaves out.
#if arch(arm64) || arch(arm)
    let directFlag: Int32 = 0o200000
#else
    let directFlag: Int32 = 0o40000
#endif

/// A file's content, by read(2) in pieces.
func readAll(_ path: String, chunk: Int = 64 << 10, flags: Int32 = 0) throws -> [UInt8] {
    let file = try check("open", open(path, O_RDONLY | flags))
    defer { close(file) }
    var result: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: chunk)
    while true {
        let count = try check("read", read(file, &buffer, chunk))
        if count == 0 { return result }
        result += buffer[..<count]
    }
}

/// A link's target.
func linkTarget(_ path: String) throws -> String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = try check("readlink", readlink(path, &buffer, buffer.count))
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// Waits until a condition holds; fails after ten seconds.
func eventually(_ condition: () throws -> Bool) throws {
    for _ in 0..<2_000 {
        if try condition() { return }
        usleep(5_000)
    }
    throw CallFailed(call: "a condition that should come true", errno: .timedOut)
}
