using System.Globalization;
using System.Text;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Postgres;

namespace Barkeep.Backups;

/// <summary>One connection that reads portions of the plan until there are none left.</summary>
sealed class FileReader(ServerConfig server, ReadPlan plan, FrameBuilder frames, BandwidthLimit limit, CopyCounter counter)
{
    /// <summary>Bytes of a file in one row: the size at which the server and the connection are fastest. A multiple of the page size.</summary>
    public const int RowLength = 128 << 10;

    readonly List<ReadPiece> _pieces = [];

    /// <param name="session">Is busy until this returns.</param>
    public async Task RunAsync(SqlSession session, CancellationToken cancellationToken)
    {
        while (plan.TryNext(_pieces))
        {
            await using var rows = await session.CopyAsync("reading files", Query(), cancellationToken);
            // The pieces come in the order in which they were asked for, each in rows of its own.
            for (var i = 0; i < _pieces.Count; i++)
            {
                for (var offset = _pieces[i].Offset; offset < _pieces[i].End; offset += RowLength)
                {
                    await ReadRowAsync(rows, _pieces[i], offset, cancellationToken);
                }
            }
            Expect(!await rows.ReadRowAsync(cancellationToken));
        }
        await frames.FlushAsync(cancellationToken);
    }

    async ValueTask ReadRowAsync(CopyRows rows, ReadPiece piece, long offset, CancellationToken cancellationToken)
    {
        Expect(await rows.ReadRowAsync(cancellationToken));
        Expect(await rows.ReadInt64Async(cancellationToken) == offset);
        var length = await rows.ReadLengthAsync(cancellationToken);
        var asked = Math.Min(RowLength, piece.End - offset);
        Expect(length <= asked);
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
        counter.Add(Math.Max(length, 0), asked);
    }

    void Expect(bool condition)
    {
        if (!condition)
        {
            throw new BarkeepException(ErrorKind.ServerError, $"{server.Host}: the server sent other bytes of a file than were asked for");
        }
    }

    // One row for each stretch of RowLength bytes; null for a file that is gone, fewer bytes where it has become shorter.
    string Query()
    {
        var values = new StringBuilder(24 * _pieces.Count);
        var ends = new StringBuilder(12 * _pieces.Count);
        for (var i = 0; i < _pieces.Count;)
        {
            var file = _pieces[i].File;
            var separator = i == 0 ? "(" : ",(";
            values.Append(CultureInfo.InvariantCulture, $"{separator}{SqlSession.Quote(file.Path)},'{{{_pieces[i].Offset}");
            ends.Clear().Append(CultureInfo.InvariantCulture, $"{_pieces[i].End}");
            for (i++; i < _pieces.Count && _pieces[i].File == file; i++)
            {
                values.Append(CultureInfo.InvariantCulture, $",{_pieces[i].Offset}");
                ends.Append(CultureInfo.InvariantCulture, $",{_pieces[i].End}");
            }
            values.Append("}'::int8[],'{").Append(ends).Append("}'::int8[])");
        }
        return $"""
            SELECT at, pg_read_binary_file(path, at, least({RowLength}, until - at), true)
            FROM (VALUES {values}) AS file(path, begins, ends), LATERAL unnest(begins, ends) AS piece(begin, until), LATERAL generate_series(begin, until - 1, {RowLength}) AS at
            """;
    }
}
