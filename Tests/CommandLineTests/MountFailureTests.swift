import Mount
import SystemPackage
import Testing

@testable import pail

@Suite struct MountFailureTests {
    @Test func statuses() {
        let missing = MountFailure.commandError(for: .mountPointMissing("/m"))
        #expect(missing.status == .mountPoint && missing.message.contains("/m"))
        #expect(
            MountFailure.commandError(for: .alreadyMounted("/m", source: "s", type: "fuse.pail")).status == .mountPoint)
        #expect(MountFailure.commandError(for: .refused("/m", reason: "no")).status == .mountPoint)
        #expect(MountFailure.commandError(for: .notMounted("/m")).status == .mountPoint)
        #expect(MountFailure.commandError(for: .busy("/m")).status == .busy)
        #expect(MountFailure.commandError(for: .system("pipe", .badFileDescriptor)).status == .failure)
    }
}
