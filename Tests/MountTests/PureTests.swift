import Glibc
import Testing

@testable import Mount

@Suite struct ShutdownMachineTests {
    @Test func signalDrainsThenFinishes() {
        var machine = ShutdownMachine(drainTimeout: 100, grace: 10)
        #expect(machine.deadline == nil)
        #expect(machine.handle(.time, now: 0) == .wait)
        #expect(machine.handle(.stop(.signal(15)), now: 5) == .startDrain)
        #expect(machine.deadline == 105)
        #expect(machine.handle(.time, now: 104) == .wait)
        #expect(
            machine.handle(.drained(0), now: 104) == .finish(MountEnd(cause: .signal(15), undrainedFiles: 0)))
        #expect(machine.handle(.stop(.signal(15)), now: 105) == .wait)
        #expect(machine.handle(.unmounted, now: 105) == .wait)
    }

    @Test func secondSignalCancelsAndTheDrainStillReports() {
        var machine = ShutdownMachine(drainTimeout: 100, grace: 10)
        #expect(machine.handle(.stop(.signal(2)), now: 0) == .startDrain)
        #expect(machine.handle(.stop(.signal(15)), now: 1) == .cancelDrain)
        #expect(machine.handle(.stop(.signal(15)), now: 2) == .wait)
        #expect(machine.handle(.drained(3), now: 3) == .finish(MountEnd(cause: .signal(2), undrainedFiles: 3)))
    }

    @Test func deadlineCancelsAndGraceEnds() {
        var machine = ShutdownMachine(drainTimeout: 100, grace: 10)
        #expect(machine.handle(.unmounted, now: 0) == .startDrain)
        #expect(machine.handle(.time, now: 100) == .cancelDrain)
        #expect(machine.deadline == 110)
        #expect(machine.handle(.time, now: 109) == .wait)
        #expect(machine.handle(.time, now: 110) == .finish(MountEnd(cause: .unmounted, undrainedFiles: nil)))
        #expect(machine.deadline == nil)
    }

    @Test func unmountedWhileDrainingGoesOnStoring() {
        var machine = ShutdownMachine(drainTimeout: 100, grace: 10)
        #expect(machine.handle(.stop(.stopped), now: 0) == .startDrain)
        #expect(machine.handle(.unmounted, now: 1) == .wait)
        #expect(machine.handle(.drained(0), now: 2) == .finish(MountEnd(cause: .stopped, undrainedFiles: 0)))
    }

    @Test func hugeTimeoutDoesNotOverflow() {
        var machine = ShutdownMachine(drainTimeout: .max, grace: 10)
        #expect(machine.handle(.stop(.stopped), now: 1_000) == .startDrain)
        #expect(machine.deadline == .max)
        #expect(Duration.seconds(Int64.max).nanoseconds > 0)
    }
}

@Suite struct MountTableTests {
    @Test func readsEscapesAndOptionalFields() {
        let text = """
            36 35 98:0 /mnt1 /mnt\\0402/a\\134b rw,noatime master:1 propagate_from:2 - ext3 /dev/root rw
            37 35 0:52 / /mnt/x rw - fuse.pail s3://b\\040c/p rw,user_id=0
            38 35 0:53 / /mnt/x rw shared:3 - tmpfs tmpfs rw
            broken line
            39 35 0 / /mnt/y rw - tmpfs tmpfs rw

            """
        let table = MountTable(parsing: Array(text.utf8))
        #expect(table.entries.count == 3)
        #expect(table.entries[0].mountPoint == Array("/mnt 2/a\\b".utf8))
        #expect(table.entries[1].source == "s3://b c/p")
        #expect(table.entries[1].isFuse && table.entries[1].minor == 52)
        #expect(table.top(at: "/mnt/x")?.type == "tmpfs")
        #expect(table.top(at: "/mnt") == nil)
    }

    @Test func keepsWhatIsNoEscape() {
        #expect(MountTable.unescaped(Array("a\\0".utf8)) == Array("a\\0".utf8))
        #expect(MountTable.unescaped(Array("a\\999".utf8)) == Array("a\\999".utf8))
        #expect(MountTable.unescaped(Array("\\011\\012".utf8)) == [9, 10])
    }
}

@Suite struct DescriptorProbeTests {
    @Test func readsTheInodeLine() {
        func parse(_ text: String) -> UInt64? { Array(text.utf8).withUnsafeBytes { DescriptorProbe.parseInode($0) } }
        #expect(parse("pos:\t0\nflags:\t02\nmnt_id:\t30\nino:\t18446744073709551615\n") == .max)
        #expect(parse("ino:\t12\nlock: x\n") == 12)
        #expect(parse("pos:\t0\n") == nil)
        #expect(parse("ino:\t\n") == nil)
        #expect(parse("ino:\t99999999999999999999\n") == nil)
    }
}

@Suite struct EndingProcessTests {
    /// A line as of a program whose name holds what it may hold, with these flags and this exit status.
    private func line(flags: UInt64, status: UInt64) -> [UInt8] {
        let fields = ["S", "1", "2", "3", "0", "-1", "\(flags)"] + [String](repeating: "0", count: 42) + ["\(status)"]
        return Array("123 (a ) R 4 (b) \(fields.joined(separator: " "))\n".utf8)
    }

    @Test func whoIsKilledAndWhoExits() {
        #expect(EndingProcess.isKilled(stat: line(flags: 0x40_0104, status: 9)))
        #expect(EndingProcess.isKilled(stat: line(flags: 0x4, status: 15 | 0x80)))
        // It exits by itself, well or with status 1.
        #expect(!EndingProcess.isKilled(stat: line(flags: 0x40_0104, status: 0)))
        #expect(!EndingProcess.isKilled(stat: line(flags: 0x4, status: 1 << 8)))
        // It lives.
        #expect(!EndingProcess.isKilled(stat: line(flags: 0x40_0100, status: 0)))
    }

    @Test func whatIsNoSuchLineIsNobody() {
        for text in ["", "1", "1 (a)", "1 (a) S 1 2 3 0 -1 4 0", "no line at all"] {
            #expect(!EndingProcess.isKilled(stat: Array(text.utf8)))
        }
        #expect(!EndingProcess.isKilled(pid: 0))
        #expect(!EndingProcess.isKilled(pid: getpid()))
    }
}

@Suite struct StandardErrorCaptureTests {
    @Test func aChildsWordsAreKept() {
        let (value, lines) = StandardErrorCapture.run(linesOf: "fusermount3: ") { () -> Int32 in
            system("echo 'fusermount3: no, because' >&2; echo \"another's line\" >&2")
        }
        #expect(value == 0)
        #expect(lines == ["no, because"])
        #expect(StandardErrorCapture.run(linesOf: "fusermount3: ") { 7 }.lines.isEmpty)
    }
}

@Suite struct OptionTests {
    @Test func escapesCommasAndAddsDefaults() {
        let options = FuseMountOptions(source: "s3://b/a,b\\c", readOnly: true, extraOptions: ["nosuid", ""])
        #expect(
            options.arguments == [
                "pail", "-o", "fsname=s3://b/a\\,b\\\\c", "-o", "subtype=pail", "-o", "ro", "-o", "default_permissions",
                "-o", "nosuid",
            ])
    }
}
