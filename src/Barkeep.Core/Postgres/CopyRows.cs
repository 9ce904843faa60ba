using System.Buffers.Binary;
using Barkeep.Common;
using Npgsql;

namespace Barkeep.Postgres;

/// <summary>
/// The rows of a binary COPY (sql-copy.html, "Binary Format"), field by field, without allocating. Disposing it before
/// the end stops the statement on the server.
/// </summary>
public sealed class CopyRows : IAsyncDisposable
{
    // Signature, flags, length of the header's extension.
    const int HeaderLength = 19;
    const int MaximumTextLength = 1 << 16;

    readonly NpgsqlRawCopyStream _stream;
    readonly ConnectionTarget _target;
    readonly string _doing;
    readonly byte[] _small = new byte[HeaderLength];
    byte[] _text = new byte[1024];
    bool _isAtEnd;

    internal CopyRows(NpgsqlRawCopyStream stream, ConnectionTarget target, string doing)
    {
        _stream = stream;
        _target = target;
        _doing = doing;
    }

    /// <summary>Moves to the next row.</summary>
    /// <returns>False at the end.</returns>
    public async ValueTask<bool> ReadRowAsync(CancellationToken cancellationToken)
    {
        await FillAsync(_small.AsMemory(0, 2), cancellationToken);
        _isAtEnd = BinaryPrimitives.ReadInt16BigEndian(_small) < 0;
        return !_isAtEnd;
    }

    /// <summary>The length in bytes of the next field, whose bytes <see cref="FillAsync"/> reads then; -1 for NULL.</summary>
    public async ValueTask<int> ReadLengthAsync(CancellationToken cancellationToken)
    {
        await FillAsync(_small.AsMemory(0, 4), cancellationToken);
        return BinaryPrimitives.ReadInt32BigEndian(_small);
    }

    /// <summary>The next field, an int8; null for NULL.</summary>
    public async ValueTask<long?> ReadInt64Async(CancellationToken cancellationToken)
    {
        var length = await ReadLengthAsync(cancellationToken);
        if (length == -1)
        {
            return null;
        }
        Check(length == 8);
        await FillAsync(_small.AsMemory(0, 8), cancellationToken);
        return BinaryPrimitives.ReadInt64BigEndian(_small);
    }

    /// <summary>The next field, a bool; null for NULL.</summary>
    public async ValueTask<bool?> ReadBooleanAsync(CancellationToken cancellationToken)
    {
        var length = await ReadLengthAsync(cancellationToken);
        if (length == -1)
        {
            return null;
        }
        Check(length == 1);
        await FillAsync(_small.AsMemory(0, 1), cancellationToken);
        return _small[0] != 0;
    }

    /// <summary>The bytes of the next field, a text in UTF-8; valid until the next call.</summary>
    public async ValueTask<ReadOnlyMemory<byte>> ReadTextAsync(CancellationToken cancellationToken)
    {
        var length = await ReadLengthAsync(cancellationToken);
        Check(length is >= 0 and <= MaximumTextLength);
        if (length > _text.Length)
        {
            _text = new byte[length];
        }
        await FillAsync(_text.AsMemory(0, length), cancellationToken);
        return _text.AsMemory(0, length);
    }

    /// <summary>Reads a field's bytes.</summary>
    public async ValueTask FillAsync(Memory<byte> bytes, CancellationToken cancellationToken)
    {
        try
        {
            await _stream.ReadExactlyAsync(bytes, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw SqlFailure.WhileRunning(e, _target, _doing);
        }
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await SqlSession.PartAsync(EndAsync);
        }
        catch (Exception e) when (e is NpgsqlException or IOException or OperationCanceledException or ObjectDisposedException)
        {
            // What matters has been thrown from a read already.
        }
    }

    async Task EndAsync()
    {
        if (!_isAtEnd)
        {
            // Else the rest of the statement's rows would be fetched first.
            await _stream.CancelAsync();
        }
        await _stream.DisposeAsync();
    }

    internal async ValueTask ReadHeaderAsync(CancellationToken cancellationToken)
    {
        await FillAsync(_small.AsMemory(0, HeaderLength), cancellationToken);
        Check(_small.AsSpan().StartsWith("PGCOPY\n"u8) && BinaryPrimitives.ReadInt32BigEndian(_small.AsSpan(15)) == 0);
    }

    void Check(bool expected)
    {
        if (!expected)
        {
            throw new BarkeepException(ErrorKind.ServerError, $"{_target}: {_doing}: the server's answer has not the form that was asked for");
        }
    }
}
