import pandas as pd
from database import connect

frame = pd.read_sql("SELECT COUNT(*) AS n FROM dbo.flights", connect())
print("flights:", frame["n"][0])
