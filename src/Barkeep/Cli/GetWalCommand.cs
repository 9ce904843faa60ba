using System.CommandLine;
using System.IO.Compression;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Fetching;
using Barkeep.Wal;

namespace Barkeep.Cli;

/// <summary><c>get-wal</c>: a WAL file's bytes on stdout, or as a file. Nothing is handed out before all of it has been checked.</summary>
sealed class GetWalCommand : RecoveryCommand
{
    const int ChunkLength = 1 << 20;

    readonly Argument<string> _name = new("WAL_NAME") { Description = "a segment, or a timeline's history file" };
    readonly Option<string> _directory = new("--output-directory", "-o") { Description = "write it there, under its name, instead of to stdout" };
    readonly Option<bool> _partial = new("--partial", "-P") { Description = "a segment that is not complete yet, too, filled up with zeros" };
    readonly Option<bool> _gzip = new("--gzip", "-z", "-x") { Description = "compressed with gzip" };
    readonly Option<bool> _bzip2 = new("--bzip2", "-j") { Hidden = true };
    readonly Option<bool> _keep = new("--keep-compression") { Description = "as without it: uncompressed", Hidden = true };
    readonly Option<int?> _peek = NumberOption.Between(1, 1 << 20, "print the names of so many files that are here, from this one on", "--peek", "-p");
    readonly Option<bool> _test = new("--test", "-t") { Description = "only see whether it could be done" };

    public GetWalCommand()
        : base("get-wal", "Hand out a WAL file.")
    {
        Add(_name);
        foreach (var option in (Option[])[_directory, _partial, _gzip, _bzip2, _keep, _peek, _test])
        {
            Add(option);
        }
    }

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var server = session.FindForRestore(parse.GetValue(ServerArgument)!);
        var systemId = GivenSystemId(parse) ?? RecoveringServer.TryFind(Environment.CurrentDirectory)?.SystemId;
        if (parse.GetValue(_bzip2))
        {
            throw new BarkeepException(ErrorKind.Usage, "bzip2 is not spoken here", "--gzip compresses, too");
        }
        var (lineage, fetch) = await OpenAsync(session, server, systemId, cancellationToken);
        if (parse.GetValue(_test))
        {
            session.Output.Line($"Ready to retrieve WAL files from the server {server}");
            return 0;
        }
        var name = WalFileName.Parse(parse.GetValue(_name)!);
        if (parse.GetValue(_peek) is { } count)
        {
            var names = await PeekAsync(fetch, name, lineage.Identity.SegmentSize, count, cancellationToken);
            names.ForEach(session.Output.Line);
            return names.Count > 0 ? 0 : NotThere(session, server, name.Text);
        }
        if (await fetch.TryGetAsync(name, parse.GetValue(_partial), cancellationToken) is not { } content)
        {
            return NotThere(session, server, name.Text);
        }
        if (parse.GetValue(_directory) is null)
        {
            session.Output.LeaveStandardOutput();
        }
        HandOut(content, name, parse.GetValue(_directory), parse.GetValue(_gzip), cancellationToken);
        return 0;
    }

    static async Task<List<string>> PeekAsync(WalFetch fetch, WalFileName name, SegmentSize size, int count, CancellationToken cancellationToken) => name.Kind switch
    {
        WalFileKind.Segment when name.Segment.IsValidFor(size) => [.. (await fetch.ListFromAsync(name.Segment, count, cancellationToken)).Select(static n => n.ToString())],
        WalFileKind.Segment => [],
        _ => await fetch.TryGetAsync(name, incomplete: true, cancellationToken) is null ? [] : [name.Text],
    };

    static void HandOut(ReadOnlyMemory<byte> content, WalFileName name, string? directory, bool gzip, CancellationToken cancellationToken)
    {
        if (directory is not null)
        {
            Durable.LayDown(Path.Combine(directory, name.Text), file => Write(content, file, gzip, cancellationToken));
            return;
        }
        using var output = Console.OpenStandardOutput();
        Write(content, output, gzip, cancellationToken);
    }

    static void Write(ReadOnlyMemory<byte> content, Stream output, bool gzip, CancellationToken cancellationToken)
    {
        using var compressing = gzip ? new GZipStream(output, CompressionLevel.Fastest, leaveOpen: true) : null;
        var to = compressing ?? output;
        for (var done = 0; done < content.Length; done += ChunkLength)
        {
            cancellationToken.ThrowIfCancellationRequested();
            to.Write(content.Span.Slice(done, Math.Min(ChunkLength, content.Length - done)));
        }
    }
}
