using Barkeep.Wal;

namespace Barkeep.Tests.Wal;

sealed record SeenRecord(Lsn Start, Lsn End, RecordHeader Header, int HeadLength, uint HeadCrc);
