import Glibc
import Testing

@testable import Mount

/// Programs are told by their names, and only living ones.
@Suite struct CopyingProgramTests {
    @Test func namesFitWhereTheKernelKeepsThem() {
        for name in CopyingProgram.names { #expect((1...15).contains(name.utf8.count), "\(name)") }
    }

    @Test func aThreadOfThatName() async throws {
        #expect(!CopyingProgram.isOne(pid: 0))
        #expect(!CopyingProgram.isOne(pid: getpid()))
        let isOne = try await onThread { () -> Bool in
            pthread_setname_np(pthread_self(), "rsync")
            return CopyingProgram.isOne(pid: gettid())
        }
        #expect(isOne)
        let isLonger = try await onThread { () -> Bool in
            pthread_setname_np(pthread_self(), "rsyncd")
            return CopyingProgram.isOne(pid: gettid())
        }
        #expect(!isLonger)
    }
}
