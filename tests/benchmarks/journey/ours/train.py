from remote_entry import read_frame

frame = read_frame("SELECT COUNT(*) AS n FROM dbo.flights")
print("flights:", frame["n"][0])
