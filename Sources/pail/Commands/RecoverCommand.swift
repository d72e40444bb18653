import ArgumentParser
import Glibc
import LocalState
import Logging
import ObjectStore

/// `pail recover PLACE [ID FILE] [--drop]`
struct RecoverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover",
        abstract: "Show what could not be stored and is kept on this machine; write it to a file.",
        discussion: """
            Without a number, all that is kept is listed. With --drop the content is forgotten, which needs the bucket to be \
            unmounted.
            """)

    @Argument(help: "Where the bucket is mounted; or, mounted or not, the directory that Pail's messages name.")
    var place: String

    @Argument(help: "The number of a kept content.")
    var number: Int64?

    @Argument(help: "A file to make of it.")
    var file: String?

    @Flag(help: "Forget the content.")
    var drop = false

    func validate() throws {
        if number != nil, (file == nil) != drop {
            throw ValidationError("Name either a file to write the content to, or --drop.")
        }
        if number == nil, drop { throw ValidationError("Name the content to forget.") }
    }

    func run() async throws { try await recover() }

    // Apart from `run`, whose untyped errors crash Swift 6.3's optimizer here.
    private func recover() async throws(CommandError) {
        let current = try ProcessState.currentDirectory()
        let directory = try Self.journal(at: AbsolutePath.of(place, in: current))
        do throws(LocalStateError) {
            guard let number else { return try list(directory) }
            if drop { return try await forget(number, in: directory) }
        } catch { throw CommandError(.localState, "\(error)") }
        guard let number, let file else { return }
        try write(number, of: directory, to: AbsolutePath.of(file, in: current))
    }

    /// The directory of the journal: the mount says, or it is named itself.
    private static func journal(at place: String) throws(CommandError) -> String {
        do throws(CommandError) {
            let status = try ControlClient(toMountOf: place).ask(ControlRequest(command: .status)).status
            guard let directory = status?.journal else {
                throw CommandError(.failure, "\(place): its process does not tell where its journal is")
            }
            return directory
        } catch {
            guard KeptArchive.isJournal(place) else { throw error }
            return place
        }
    }

    private func list(_ directory: String) throws(LocalStateError) {
        for kept in try KeptArchive(directory).kept {
            let age = StatusTable.time(Double(max(0, Int64(time(nil)) - kept.date.seconds)))
            print(
                "\(kept.id)  \(Printable.line(kept.key.string))  \(ByteText.short(kept.size))  \(age) ago  \(Printable.line(kept.reason))"
            )
        }
    }

    private func write(_ number: Int64, of directory: String, to file: String) throws(CommandError) {
        let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CommandError(.failure, "\(file): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        let gaps: [KeptArchive.Gap]?
        do throws(LocalStateError) {
            gaps = try KeptArchive(directory).write(number, to: descriptor)
        } catch {
            unlink(file)
            throw CommandError(.localState, "\(error)")
        }
        guard let gaps else {
            unlink(file)
            throw CommandError(.failure, "nothing is kept under the number \(number)")
        }
        guard let first = gaps.first else { return }
        throw CommandError(
            .failure,
            "\(file) has \(gaps.count) holes, for not all of the content was changed here: the first, bytes \(first.range.lowerBound) to "
                + "\(first.range.upperBound), is from byte \(first.source.lowerBound) on of \"\(first.key)\" in its version "
                + "\(first.etag?.value ?? "that is not known")")
    }

    private func forget(_ number: Int64, in directory: String) async throws(LocalStateError) {
        let owned = try LocalState.StateDirectory.open(directory)
        defer { owned.close() }
        var logger = Logger(label: "pail.recover")
        logger.logLevel = .error
        let journal = try Journal.open(in: owned, logger: logger)
        defer { journal.close() }
        try await journal.dropKept(number)
    }
}
