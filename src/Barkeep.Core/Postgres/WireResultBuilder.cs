namespace Barkeep.Postgres;

/// <summary>Collects the rows of an answer, bounded: replication commands and catalogue questions answer with few.</summary>
sealed class WireResultBuilder
{
    const int MaximumBytes = 64 << 20;

    readonly List<string> _columns = [];
    readonly List<byte[]?[]> _rows = [];
    long _bytes;

    public void Describe(WireReader reader)
    {
        // START_REPLICATION at a timeline's end answers with one result set only; of several, the last counts.
        _columns.Clear();
        _rows.Clear();
        var count = reader.Int16();
        for (var i = 0; i < count; i++)
        {
            _columns.Add(reader.Text());
            // Table, attribute, type, type length, modifier, format.
            reader.Bytes(4 + 2 + 4 + 2 + 4 + 2);
        }
    }

    public void Add(WireReader reader)
    {
        var count = reader.Int16();
        if (count != _columns.Count)
        {
            throw WireReader.Malformed($"a row of {count} columns where {_columns.Count} were announced");
        }
        var row = new byte[]?[count];
        for (var i = 0; i < count; i++)
        {
            var length = reader.Int32();
            row[i] = length < 0 ? null : reader.Bytes(length).ToArray();
            _bytes += Math.Max(length, 0) + 32;
        }
        if (_bytes > MaximumBytes)
        {
            throw WireReader.Malformed("an answer too large to be one");
        }
        _rows.Add(row);
    }

    public WireResult Build() => new([.. _columns], [.. _rows]);
}
