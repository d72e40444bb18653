import Foundation
import ObjectStore
import ObjectStoreTesting
import SystemPackage
import Testing

@testable import FileSystem

/// Many programs on two mounts append to one file at once.
@Suite(.timeLimit(.minutes(15))) struct SharedLogTests {
    /// Where the name has got another inode between lookup and open, the kernel looks it up once more.
    private func openAsTheKernelDoes(_ mount: TestMount) async throws(Errno) -> HandleID {
        let flags: OpenFlags = [.writeOnly, .create, .append]
        for _ in 0..<2 {
            do throws(Errno) { return try await mount.open("log", flags) } catch {
                guard error == .staleNFSFileHandle else { throw error }
            }
        }
        return try await mount.open("log", flags)
    }

    /// Every line whose close succeeded is there once, whatever the order in which opens, writes, closes and releases of the mounts meet.
    /// `PAIL_SHARED_LOG_LINES` sets how many lines each program writes.
    @Test(arguments: [64, 1 << 20]) func everyLineIsThereOnce(partSize: Int64) async throws {
        let bucket = TestBucket()
        let count = ProcessInfo.processInfo.environment["PAIL_SHARED_LOG_LINES"].flatMap { Int($0) } ?? 60
        let mounts = (0..<2).map { _ in
            bucket.mount(through: SlowStore(bucket.store) { _ in .microseconds(Int64.random(in: 0...400)) }) {
                $0.partSize = partSize
                $0.attributeTimeout = 0
            }
        }
        await withTaskGroup(of: Void.self) { group in
            for program in 0..<8 {
                let mount = mounts[program % 2]
                group.addTask {
                    for number in 0..<count {
                        do {
                            let handle = try await openAsTheKernelDoes(mount)
                            try await mount.write(handle, "p\(program) \(number)\n")
                            try await mount.flush(handle)
                            if number % 2 == 0 {
                                await mount.release(handle)
                            } else {
                                Task { await mount.release(handle) }
                            }
                        } catch {
                            Issue.record("program \(program), line \(number): \(error)")
                        }
                        if number % 5 == 0 { bucket.clock.advance(seconds: 1) }
                    }
                }
            }
        }
        let lines = try #require(bucket.text("log")).split(separator: "\n").map(String.init)
        for program in 0..<8 {
            let own = lines.filter { $0.hasPrefix("p\(program) ") }
            let missing = Set((0..<count).map { "p\(program) \($0)" }).subtracting(own)
            #expect(missing.isEmpty, "of \(own.count) lines")
            #expect(own.count == Set(own).count, "lines are there twice")
        }
    }
}
