using System.Globalization;
using System.Text;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Postgres;

namespace Barkeep.Backups;

/// <summary>One connection that reads portions of the plan until there are none left.</summary>
sealed class FileReader(ServerConfig server, ReadPlan plan, Packing packing, PageRecheck? recheck, BandwidthLimit limit, CopyCounter counter)
{
    /// <summary>Bytes of a file in one row: the size at which the server and the connection are fastest. A multiple of the page size.</summary>
    public const int RowLength = 128 << 10;

    readonly List<ReadPiece> _pieces = [];

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await using var session = await SqlSession.OpenAsync(server, "backup reader", cancellationToken);
        using var frames = new FrameBuilder(packing, recheck);
        while (plan.TryNext(_pieces))
        {
            await using var rows = await session.CopyAsync("reading files", Query(), cancellationToken);
            while (await rows.ReadRowAsync(cancellationToken))
            {
                await ReadRowAsync(rows, frames, cancellationToken);
            }
        }
        await frames.FlushAsync(cancellationToken);
    }

    async ValueTask ReadRowAsync(CopyRows rows, FrameBuilder frames, CancellationToken cancellationToken)
    {
        var number = await rows.ReadInt64Async(cancellationToken) ?? -1;
        var offset = await rows.ReadInt64Async(cancellationToken) ?? -1;
        var length = await rows.ReadLengthAsync(cancellationToken);
        if (number < 0 || number >= _pieces.Count || _pieces[(int)number] is var piece && (offset < piece.Offset || offset >= piece.End || offset % RowLength != 0 || length > Math.Min(RowLength, piece.End - offset)))
        {
            throw new BarkeepException(ErrorKind.ServerError, $"{server.Host}: the server sent other bytes of a file than were asked for");
        }
        switch (length)
        {
            case < 0:
                piece.File.MarkGone();
                break;
            case > 0:
                await rows.FillAsync(frames.Space[..length], cancellationToken);
                await frames.AcceptAsync(piece.File, offset, length, cancellationToken);
                await limit.TakeAsync(length, cancellationToken);
                break;
        }
        counter.Add(Math.Max(length, 0), Math.Min(RowLength, piece.End - offset));
    }

    // One row for each stretch of RowLength bytes; null for a file that is gone, fewer bytes where it has become shorter.
    string Query()
    {
        var values = new StringBuilder(64 * _pieces.Count);
        for (var i = 0; i < _pieces.Count; i++)
        {
            var (file, offset, end) = _pieces[i];
            var separator = i == 0 ? "" : ",";
            values.Append(CultureInfo.InvariantCulture, $"{separator}({i}::int8,{SqlSession.Quote(file.Path)},{offset}::int8,{end}::int8)");
        }
        return $"""
            SELECT n, at, pg_read_binary_file(path, at, least({RowLength}, until - at), true)
            FROM (VALUES {values}) AS piece(n, path, begin, until), LATERAL generate_series(begin, until - 1, {RowLength}) AS at
            """;
    }
}
